//! Curves as SVG, one a contender, both axes logarithmic: latency by percentile, cost by how much there is.

use std::fmt::Write;

use hdrhistogram::Histogram;

use crate::growth::Curve;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 20.0;
/// How far out the tail is shown: 99.99 %.
const NINES: f64 = 4.0;
const COLOURS: [&str; 4] = ["#1b6ca8", "#c8553d", "#588157", "#8d6a9f"];

/// Latency percentiles; `curves`: a name and nanoseconds each.
pub(crate) fn percentiles(title: &str, curves: &[(&str, Histogram<u64>)]) -> String {
    let points = curves.iter().map(|(name, histogram)| {
        let at = |step: u32| {
            let nines = NINES * f64::from(step) / 100.0;
            (nines, histogram.value_at_quantile(1.0 - 10_f64.powf(-nines)).max(1_000) as f64)
        };
        (*name, (0..=100).map(at).collect())
    });
    let labels = [(0.301, "50 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %")];
    let labels: Vec<_> = labels.iter().map(|&(nines, label)| (nines, label.to_owned())).collect();
    draw(title, &labels, &points.collect::<Vec<_>>(), duration)
}

/// CPU time of a request in microseconds by how many there are of something.
pub(crate) fn growth(title: &str, curves: &[(&str, Curve)]) -> String {
    let points = curves.iter().map(|(name, curve)| {
        (*name, curve.iter().map(|&(count, micros)| (count.log10(), micros * 1e3)).collect::<Curve>())
    });
    let most = curves.iter().flat_map(|(_, curve)| curve).fold(1.0, |most: f64, point| most.max(point.0));
    let decades = 0..=most.log10().ceil() as i32;
    let labels: Vec<_> =
        decades.map(|power| (f64::from(power), 10_i64.pow(power as u32).to_string())).collect();
    draw(title, &labels, &points.collect::<Vec<_>>(), duration)
}

/// Curves of points whose x is already to scale and whose y is a positive value; `unit` writes a power of ten of it.
fn draw(title: &str, labels: &[(f64, String)], curves: &[(&str, Curve)], unit: fn(f64) -> String) -> String {
    let values = || curves.iter().flat_map(|(_, curve)| curve).map(|point| point.1);
    let low = values().fold(f64::MAX, f64::min).log10().floor();
    let high = values().fold(1.0, f64::max).log10().ceil().max(low + 1.0);
    let right = labels.last().map_or(1.0, |label| label.0);
    let x = |at: f64| LEFT + at / right * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - (value.log10() - low) / (high - low) * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{title}</text>\n"
    );
    let mut line = |text: String| writeln!(svg, "{text}").expect("a string takes all");
    for (at, label) in labels {
        let (at, from, to) = (x(*at), HEIGHT - BOTTOM, TOP);
        line(format!("<path d=\"M{at:.1} {from}V{to}\" stroke=\"#ddd\"/>"));
        line(format!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", from + 16.0));
    }
    for exponent in low as i32..=high as i32 {
        let (at, from, to) = (y(10_f64.powi(exponent)), LEFT, WIDTH - RIGHT);
        line(format!("<path d=\"M{from} {at:.1}H{to}\" stroke=\"#ddd\"/>"));
        let label = unit(10_f64.powi(exponent));
        line(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", from - 6.0, at + 4.0));
    }
    for (row, ((name, curve), colour)) in curves.iter().zip(COLOURS).enumerate() {
        let mut path = String::new();
        for (step, &(at, value)) in curve.iter().enumerate() {
            let command = if step == 0 { 'M' } else { 'L' };
            write!(path, "{command}{:.1} {:.1}", x(at), y(value)).expect("a string takes all");
        }
        line(format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"));
        let row = TOP + 16.0 * (row as f64 + 1.0);
        line(format!("<text x=\"{}\" y=\"{row}\" fill=\"{colour}\">{name}</text>", LEFT + 10.0));
    }
    svg + "</svg>\n"
}

fn duration(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 1e3 => format!("{nanos} ns"),
        nanos if nanos < 1e6 => format!("{} µs", nanos / 1e3),
        nanos if nanos < 1e9 => format!("{} ms", nanos / 1e6),
        nanos => format!("{} s", nanos / 1e9),
    }
}
