//! Events that are clean by themselves, and in company are not: late ones, those of robots, bursts.
//!
//! | refused as | if | setting |
//! |---|---|---|
//! | `late` | its time lies so far before the newest of its partition | `recommender.late.max.ms` |
//! | `robot` | the event's user agent has one of these words in it | `recommender.robot.agents` |
//! | `robot` | its user acts at so many different times within a window | `recommender.robot.events.max` |
//! | `burst` | so many people's acts are in favour of its item within a window | `recommender.burst.item.events.max` |
//! | `burst` | so many events come from its address within a window | `recommender.burst.address.events.max` |
//!
//! Time is event time, so a history that is replayed in an hour is judged by the years it took. What is refused counts in
//! its window like what is not: a robot that goes on is refused for as long as it does, and who has stopped is let in again
//! once the rate has fallen, two windows later at the latest. What was learnt before a limit was reached stays.

mod rates;

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::emission::Emission;
use super::operator::Operator;
use crate::config::Config;
use crate::ingest::rejection::{Rejection, shortened};
use crate::recommender::{Recommender, Seen, tenant_key};
use crate::state::snapshot::{Reader, SnapshotError, Writer};
use rates::{Counted, Rates};

/// Most partitions whose newest time is known.
const PARTITIONS_MAX: usize = 65_536;

/// Keeps events out of what is learnt.
#[derive(Debug)]
pub(super) struct Cleaning {
    late_max_ms: i64,
    agents: Vec<String>,
    users: Limit,
    items: Limit,
    addresses: Limit,
    /// The newest event time of each partition.
    newest_ms: BTreeMap<String, i64>,
}

/// How much of something there may be within a window.
#[derive(Debug)]
struct Limit {
    /// 0: any number.
    max: u64,
    window_ms: i64,
    counted: Counted,
    rates: Rates,
}

impl Limit {
    fn new(max: usize, window_ms: i64, counted: Counted) -> Self {
        Self { max: max as u64, window_ms, counted, rates: Rates::new(window_ms) }
    }

    /// Counts an event; the rate, if it is too high.
    fn exceeded_by(&mut self, tenant: Option<&str>, key: Option<&str>, time_ms: i64) -> Option<u64> {
        let key = key.filter(|_| self.max > 0)?;
        let rate = self.rates.count(hash(tenant, key), time_ms, self.counted);
        (rate > self.max).then_some(rate)
    }
}

/// What something of a tenant, or of none, is counted under.
fn hash(tenant: Option<&str>, key: &str) -> u64 {
    xxh3_64(tenant_key(tenant, key).as_bytes())
}

impl Cleaning {
    pub(super) fn new(config: &Config) -> Self {
        let burst_ms = config.burst_window_ms;
        Self {
            late_max_ms: config.late_max_ms,
            agents: config.robot_agents.iter().map(|word| word.to_lowercase()).collect(),
            users: Limit::new(config.robot_events_max, config.robot_window_ms, Counted::Times),
            items: Limit::new(config.burst_item_events_max, burst_ms, Counted::Each),
            addresses: Limit::new(config.burst_address_events_max, burst_ms, Counted::Each),
            newest_ms: BTreeMap::new(),
        }
    }

    /// How far behind the newest event of its partition one lies, of which the partition's newest time is noted.
    fn behind_ms(&mut self, source: &str, time_ms: i64) -> i64 {
        let Some(newest_ms) = self.newest_ms.get_mut(source) else {
            if self.newest_ms.len() < PARTITIONS_MAX {
                self.newest_ms.insert(source.to_owned(), time_ms);
            }
            return 0;
        };
        *newest_ms = time_ms.max(*newest_ms);
        *newest_ms - time_ms
    }

    fn check_agent(&self, agent: &str) -> Result<(), Rejection> {
        let lower = agent.to_lowercase();
        match self.agents.iter().find(|word| lower.contains(word.as_str())) {
            Some(_) => Err(Rejection::RobotAgent { agent: shortened(agent) }),
            None => Ok(()),
        }
    }
}

impl Operator for Cleaning {
    fn name(&self) -> &'static str {
        "cleaning"
    }

    fn admit(&mut self, seen: &Seen<'_>, _: &Recommender, _: &mut Vec<Emission>) -> Result<(), Rejection> {
        let (event, time_ms) = (seen.event, seen.event.time_ms);
        if self.late_max_ms > 0 {
            let (behind_ms, max_ms) =
                (self.behind_ms(seen.message.position.source, time_ms), self.late_max_ms);
            if behind_ms > max_ms {
                return Err(Rejection::Late { behind_ms, max_ms });
            }
        }
        if let Some(agent) = event.user_agent.as_deref() {
            self.check_agent(agent)?;
        }
        // All are counted, whichever refuses.
        let of_item = Some(&*event.item_id).filter(|id| !id.is_empty() && seen.weight > 0.0);
        let user = self.users.exceeded_by(seen.tenant, seen.user, time_ms);
        let item = self.items.exceeded_by(seen.tenant, of_item, time_ms);
        let address = self.addresses.exceeded_by(None, event.address.as_deref(), time_ms);
        let (max, window_ms) = (self.users.max, self.users.window_ms);
        if let Some(events) = user {
            return Err(Rejection::Robot { events, max, window_ms });
        }
        let bursts = [("item", item, &self.items), ("address", address, &self.addresses)];
        let burst = bursts.into_iter().find_map(|(of, events, limit)| Some((of, events?, limit)));
        burst.map_or(Ok(()), |(of, events, limit)| {
            Err(Rejection::Burst { of, events, max: limit.max, window_ms: limit.window_ms })
        })
    }

    fn forget(&mut self, tenant: Option<&str>, user: &str) {
        self.users.rates.forget(hash(tenant, user));
    }

    fn size_bytes(&self) -> usize {
        let newest = self.newest_ms.keys().map(|source| source.capacity() + size_of::<(String, i64)>());
        let limits = [&self.users, &self.items, &self.addresses];
        newest.sum::<usize>() + limits.iter().map(|limit| limit.rates.size_bytes()).sum::<usize>()
    }

    fn save(&self, out: &mut Writer) {
        out.u32(self.newest_ms.len() as u32);
        for (source, newest_ms) in &self.newest_ms {
            out.text(source);
            out.i64(*newest_ms);
        }
        [&self.users, &self.items, &self.addresses].iter().for_each(|limit| limit.rates.save(out));
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..input.count(12)? {
            self.newest_ms.insert(input.text()?.to_owned(), input.i64()?);
        }
        let limits = [&mut self.users, &mut self.items, &mut self.addresses];
        limits.into_iter().try_for_each(|limit| limit.rates.load(input))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Processor;
    use super::*;
    use crate::ingest::Position;
    use crate::recommender::Incoming;

    const T: i64 = 1_700_000_000_000;

    fn with(settings: &[(&str, &str)]) -> Processor {
        let mut config = Config::default();
        settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
        Processor::new(config)
    }

    /// Why an event was refused, and by which rule; nothing if it was learnt.
    fn verdict(processor: &mut Processor, source: &str, time_ms: i64, event: &str) -> String {
        let position = Position { source, offset: 0 };
        let value = Some(event.as_bytes());
        let message = Incoming { topic: "user_behavior", position, key: None, value, headers: &[], time_ms };
        match processor.process(&message, &mut Vec::new()) {
            Ok(_) => String::new(),
            Err(refused) => format!("{} {}", refused.code(), refused.rule()),
        }
    }

    fn event(user: usize, item: usize) -> String {
        format!(r#"{{"user_id":"u{user}","item_id":"i{item}","action":"click","ip":"10.0.0.7"}}"#)
    }

    #[test]
    fn late_is_behind_the_newest_of_the_partition() {
        let mut processor = with(&[("recommender.late.max.ms", "1000")]);
        let mut verdict = |source, at| verdict(&mut processor, source, T + at, &event(1, 2));
        let late = "late recommender.late.max.ms";
        for (source, at, said) in [
            ("user_behavior-0", 0, ""),
            ("user_behavior-0", 5000, ""),
            ("user_behavior-0", 4000, ""),
            ("user_behavior-0", 3999, late),
            ("user_behavior-1", 0, ""),
            ("user_behavior-1", 0, ""),
            ("user_behavior-0", 0, late),
        ] {
            assert_eq!(verdict(source, at), said, "{source} {at}");
        }
        let mut lenient = with(&[]);
        assert_eq!(super::tests::verdict(&mut lenient, "user_behavior-0", T, &event(1, 2)), "");
        assert_eq!(super::tests::verdict(&mut lenient, "user_behavior-0", 0, &event(1, 2)), "", "a history");
    }

    #[test]
    fn a_robot_is_refused_while_it_is_at_it() {
        let settings = [("recommender.robot.events.max", "20"), ("recommender.robot.window.ms", "10000")];
        let mut processor = with(&settings);
        let mut verdict =
            |user, at| verdict(&mut processor, "user_behavior-0", T + at, &event(user, at as usize));
        let robot = "robot recommender.robot.events.max";
        // Ten a second: two seconds of it are learnt.
        let said: Vec<String> = (0..100).map(|n| verdict(1, n * 100)).collect();
        assert!(said[..20].iter().all(String::is_empty) && said[20..].iter().all(|said| said == robot));
        assert_eq!(verdict(2, 9_950), "", "somebody else");
        // One a second is no more than ten in the window, but the hundred before count until they are out of it.
        let slow: Vec<String> = (10..30).map(|n| verdict(1, n * 1000)).collect();
        assert_eq!(slow[0], robot);
        assert!(slow[10..].iter().all(String::is_empty), "{slow:?}");
    }

    #[test]
    fn a_user_is_forgotten_in_its_tenant_alone() {
        let mut processor = with(&[("recommender.robot.events.max", "2")]);
        let mut act = |tenant: &str, time_ms| {
            let event = event(1, 1).replace('{', &format!(r#"{{"tenant":"{tenant}","#));
            verdict(&mut processor, "user_behavior-0", time_ms, &event)
        };
        for tenant in ["a", "b"] {
            let said: Vec<bool> = (0..3).map(|n| act(tenant, T + n).is_empty()).collect();
            assert_eq!(said, [true, true, false], "{tenant}");
        }
        let position = Position { source: "users-0", offset: 0 };
        let headers: [(&[u8], Option<&[u8]>); 1] = [(b"tenant", Some(b"a"))];
        let (topic, key) = ("users", Some(&b"u1"[..]));
        let gone = Incoming { topic, position, key, value: None, headers: &headers, time_ms: T };
        processor.process(&gone, &mut Vec::new()).expect("a good record");
        let mut act = |tenant: &str| {
            let event = event(1, 1).replace('{', &format!(r#"{{"tenant":"{tenant}","#));
            verdict(&mut processor, "user_behavior-0", T + 5, &event).is_empty()
        };
        assert_eq!((act("a"), act("b")), (true, false));
    }

    #[test]
    fn a_user_agent_may_tell_a_robot() {
        let mut processor = with(&[]);
        let mut verdict = |agent: &str| {
            let event = format!(
                r#"{{"user_id":1,"item_id":2,"action":"click","context":{{"ip":7,"userAgent":"{agent}"}}}}"#
            );
            verdict(&mut processor, "user_behavior-0", T, &event)
        };
        let robot = "robot recommender.robot.agents";
        for (agent, said) in [
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", robot),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0.0.0 Safari/537.36",
                robot,
            ),
            ("Mozilla/5.0 (Linux; Android 10; CUBOT_X30) AppleWebKit/537.36 Chrome/87.0", ""),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0", ""),
        ] {
            assert_eq!(verdict(agent), said, "{agent}");
        }
    }

    #[test]
    fn bursts_on_an_item_and_from_an_address() {
        let mut processor = with(&[("recommender.burst.item.events.max", "5")]);
        let mut said =
            |user, at, item| verdict(&mut processor, "user_behavior-0", T + at, &event(user, item));
        let burst = "burst recommender.burst.item.events.max";
        let of_one: Vec<String> = (0..8).map(|user| said(user, 0, 1)).collect();
        assert_eq!(of_one, ["", "", "", "", "", burst, burst, burst]);
        assert_eq!((said(1, 0, 2), said(9, 60_000, 1)), (String::new(), String::new()));
        let mut processor = with(&[("recommender.burst.address.events.max", "5")]);
        let said: Vec<String> = (0..7)
            .map(|n| verdict(&mut processor, "user_behavior-0", T + n, &event(n as usize, n as usize)))
            .collect();
        assert_eq!(said.iter().filter(|said| said.ends_with("address.events.max")).count(), 2);
        let without = event(1, 2).replace("ip", "shop");
        assert_eq!(verdict(&mut processor, "user_behavior-0", T, &without), "");
    }

    #[test]
    fn what_people_do_passes_with_the_default_settings() {
        let mut processor = with(&[]);
        let mut refused = 0;
        let mut act = |user, time_ms: i64, item| {
            refused += usize::from(
                !verdict(&mut processor, "user_behavior-0", time_ms, &event(user, item)).is_empty(),
            );
        };
        // An invoice of 1,100 lines; 700 films rated in ten seconds, by times in seconds; a load of 200 events a second of each of
        // a few users for two minutes, by times in milliseconds; a viral item.
        (0..1100).for_each(|line| act(1, T, line));
        (0..700).for_each(|film| act(2, T + film / 70 * 1000, film as usize));
        (0..24_000).for_each(|n| act(3, T + n * 5, (n % 997) as usize));
        (0..5000).for_each(|n| act(10 + n as usize, T + n / 20, 1));
        assert_eq!(refused, 0);
    }

    #[test]
    fn what_was_saved_judges_alike() {
        let settings = [
            ("recommender.late.max.ms", "60000"),
            ("recommender.robot.events.max", "100"),
            ("recommender.burst.item.events.max", "80"),
        ];
        let mut whole = with(&settings);
        let said = |processor: &mut Processor, n: i64| {
            let time_ms = T + n * 37 - if n % 11 == 0 { 70_000 } else { 0 };
            verdict(processor, "user_behavior-0", time_ms, &event((n % 7) as usize, (n % 3) as usize))
        };
        (0..300).for_each(|n| drop(said(&mut whole, n)));
        let mut bytes = Vec::new();
        whole.save(&mut bytes);
        let mut loaded = Processor::load(whole.recommender().config().clone(), &bytes).unwrap();
        let verdicts: Vec<String> = (300..900).map(|n| said(&mut whole, n)).collect();
        for reason in ["late", "robot", "burst"] {
            assert!(verdicts.iter().any(|said| said.starts_with(reason)), "{reason}");
        }
        assert_eq!(verdicts, (300..900).map(|n| said(&mut loaded, n)).collect::<Vec<_>>());
    }
}
