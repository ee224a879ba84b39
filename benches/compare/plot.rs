//! Latency percentiles as an SVG: one curve a contender, both axes logarithmic.

use std::fmt::Write;

use hdrhistogram::Histogram;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 20.0;
/// How far out the tail is shown: 99.99 %.
const NINES: f64 = 4.0;
const COLOURS: [&str; 4] = ["#1b6ca8", "#c8553d", "#588157", "#8d6a9f"];

/// `curves`: a name and nanoseconds each.
pub(crate) fn percentiles(title: &str, curves: &[(&str, Histogram<u64>)]) -> String {
    let slowest = curves.iter().map(|(_, one)| one.max()).max().unwrap_or(1);
    let fastest = curves.iter().map(|(_, one)| one.min()).min().unwrap_or(1).max(1_000);
    let (low, high) = (decade(fastest as f64).floor(), decade(slowest as f64).ceil());
    let x = |nines: f64| LEFT + nines / NINES * (WIDTH - LEFT - RIGHT);
    let y = |nanos: f64| HEIGHT - BOTTOM - (decade(nanos) - low) / (high - low) * (HEIGHT - BOTTOM - TOP);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{title}</text>\n"
    );
    let mut draw = |text: String| writeln!(svg, "{text}").expect("a string takes all");
    for (nines, label) in [(0.301, "50 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %")] {
        let (at, from, to) = (x(nines), HEIGHT - BOTTOM, TOP);
        draw(format!("<path d=\"M{at:.1} {from}V{to}\" stroke=\"#ddd\"/>"));
        draw(format!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", from + 16.0));
    }
    for exponent in low as i32..=high as i32 {
        let (at, from, to) = (y(10_f64.powi(exponent)), LEFT, WIDTH - RIGHT);
        draw(format!("<path d=\"M{from} {at:.1}H{to}\" stroke=\"#ddd\"/>"));
        let label = duration(10_f64.powi(exponent));
        draw(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", from - 6.0, at + 4.0));
    }
    for (at, ((name, histogram), colour)) in curves.iter().zip(COLOURS).enumerate() {
        let mut path = String::new();
        for step in 0..=100 {
            let nines = NINES * f64::from(step) / 100.0;
            let nanos = histogram.value_at_quantile(1.0 - 10_f64.powf(-nines)).max(fastest) as f64;
            let command = if step == 0 { 'M' } else { 'L' };
            write!(path, "{command}{:.1} {:.1}", x(nines), y(nanos)).expect("a string takes all");
        }
        draw(format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"));
        let row = TOP + 16.0 * (at as f64 + 1.0);
        draw(format!("<text x=\"{}\" y=\"{row}\" fill=\"{colour}\">{name}</text>", LEFT + 10.0));
    }
    svg + "</svg>\n"
}

fn decade(nanos: f64) -> f64 {
    nanos.log10()
}

fn duration(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 1e3 => format!("{nanos} ns"),
        nanos if nanos < 1e6 => format!("{} µs", nanos / 1e3),
        nanos if nanos < 1e9 => format!("{} ms", nanos / 1e6),
        nanos => format!("{} s", nanos / 1e9),
    }
}
