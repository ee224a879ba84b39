//! Tenants: each has a recommender of its own, so that nothing of one is in an answer to another.
//!
//! ```text
//! event, entity, tombstone ──▶ names a tenant? ──┬─ no ──▶ this recommender
//!                                                └─ yes ─▶ that tenant's, made on first sight
//! ```
//!
//! Ids, categories, counts, weights of the fusion, event ids seen: all are the tenant's own. What tenants share is the
//! room: `recommender.memory.max` bounds all together, and whoever takes most gives way; the other bounds are each one's.
//! With `recommender.tenants.max=0` names of tenants mean nothing, and all is one.

use std::borrow::Cow;

use super::{Counters, Recommender};
use crate::config::Config;
use crate::ingest::clean;
use crate::ingest::rejection::Rejection;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

/// Stands between a tenant's name and what is the tenant's; no name and no id has it.
const SEPARATOR: char = '\u{1f}';

/// What something of a tenant, or of none, is kept and written under.
pub fn tenant_key<'a>(tenant: Option<&str>, of: &'a str) -> Cow<'a, str> {
    tenant.map_or(Cow::Borrowed(of), |tenant| Cow::Owned(format!("{tenant}{SEPARATOR}{of}")))
}

/// Tenant, and what is its, of such a key.
pub(crate) fn split_tenant(key: &str) -> (Option<&str>, &str) {
    key.split_once(SEPARATOR).map_or((None, key), |(tenant, of)| (Some(tenant), of))
}

impl Recommender {
    /// The tenants there are, by name.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.keys().map(String::as_str)
    }

    /// What answers for a tenant; this recommender for who names none. `None` if nothing was ever learnt for it.
    pub fn tenant(&self, name: Option<&str>) -> Option<&Self> {
        match name {
            Some(name) if self.config.tenants_max > 0 => self.tenants.get(name),
            _ => Some(self),
        }
    }

    /// The newest event's time of any tenant, ms since 1970.
    pub fn newest_of_all_ms(&self) -> i64 {
        self.tenants.values().fold(self.state.newest_ms, |newest, tenant| newest.max(tenant.state.newest_ms))
    }

    /// What learns for a tenant, made if there is none.
    ///
    /// # Errors
    /// [`Rejection`] if the name is no name, or there are too many.
    pub(super) fn part(&mut self, name: Option<&str>) -> Result<&mut Self, Rejection> {
        let max = self.config.tenants_max;
        let Some(name) = name.filter(|_| max > 0) else { return Ok(self) };
        if self.tenants.len() < max && !self.tenants.contains_key(name) {
            clean::check_id("tenant", name, &self.config)?;
            let tenant = self.of_nobody();
            self.tenants.insert(name.to_owned(), tenant);
        }
        self.tenants.get_mut(name).ok_or(Rejection::TooManyTenants { max })
    }

    /// What has learnt for a tenant, if there is anything.
    pub(super) fn known_part(&mut self, name: Option<&str>) -> Option<&mut Self> {
        match name.filter(|_| self.config.tenants_max > 0) {
            Some(name) => self.tenants.get_mut(name),
            None => Some(self),
        }
    }

    /// What a tenant begins with.
    pub(super) fn of_nobody(&self) -> Self {
        // The room is looked after by this one, and tenants have none of their own.
        Self::new(Config { memory_max: 0, tenants_max: 0, ..(*self.config).clone() })
    }

    /// Counts of what this one took in, and every tenant's.
    pub(super) fn counted(&self) -> Counters {
        self.tenants.values().map(|tenant| tenant.counters).fold(self.counters, |sum, own| Counters {
            events: sum.events + own.events,
            entities: sum.entities + own.entities,
            rejected: sum.rejected + own.rejected,
        })
    }

    pub(super) fn save_tenants(&self, body: &mut Writer) {
        body.u32(self.tenants.len() as u32);
        for (name, tenant) in &self.tenants {
            body.text(name);
            tenant.save_body(body);
        }
    }

    pub(super) fn load_tenants(&mut self, body: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..body.count(4)? {
            let name = body.text()?.to_owned();
            let tenant = Self::load_body((*self.of_nobody().config).clone(), body)?;
            self.tenants.insert(name, tenant);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Config, Event, HotWindow, Incoming, Metric, Position, Recommender, Rejection, Request, Scope,
    };

    fn feed(recommender: &mut Recommender, topic: &str, value: &str) -> Result<(), Rejection> {
        keyed(recommender, topic, None, Some(value), &[])
    }

    fn keyed(
        recommender: &mut Recommender,
        topic: &str,
        key: Option<&str>,
        value: Option<&str>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) -> Result<(), Rejection> {
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        let position = Position { source: "t-0", offset: 3 };
        let message = Incoming { topic, position, key, value, headers, time_ms: 1_700_000_000_000 };
        recommender.ingest(&message).map(|_| ())
    }

    fn click(recommender: &mut Recommender, tenant: Option<&str>, user: &str, item: &str, time_ms: i64) {
        let event = Event {
            user_id: Some(user.to_owned().into()),
            item_id: item.to_owned().into(),
            action: "click".into(),
            tenant: tenant.map(|tenant| tenant.to_owned().into()),
            time_ms,
            ..Event::default()
        };
        recommender.apply(&event, Position::default(), time_ms).unwrap();
    }

    fn bytes(recommender: &Recommender) -> Vec<u8> {
        let mut bytes = Vec::new();
        recommender.save(&mut bytes);
        bytes
    }

    /// The same users and items in three places, with other tastes.
    fn three() -> Recommender {
        let mut recommender = Recommender::new(Config::default());
        for n in 0..60i64 {
            let user = format!("u{}", n % 12);
            click(&mut recommender, None, &user, &format!("i{}", n % 7), n * 1000);
            click(&mut recommender, Some("a"), &user, &format!("i{}", n % 5), n * 1000 + 1);
            click(&mut recommender, Some("b"), &user, &format!("j{}", n * n % 11), n * 1000 + 2);
        }
        recommender
    }

    #[test]
    fn each_tenant_is_as_if_it_were_alone() {
        let all = three();
        for tenant in [None, Some("a"), Some("b")] {
            let mut alone = Recommender::new(Config::default());
            for n in 0..60i64 {
                let (item, late) = match tenant {
                    None => (format!("i{}", n % 7), 0),
                    Some("a") => (format!("i{}", n % 5), 1),
                    _ => (format!("j{}", n * n % 11), 2),
                };
                click(&mut alone, None, &format!("u{}", n % 12), &item, n * 1000 + late);
            }
            let part = all.tenant(tenant).unwrap();
            for user in ["u3", "nobody"] {
                let request = Request::user(user, 20);
                assert_eq!(part.recommend(&request), alone.recommend(&request), "{tenant:?} {user}");
            }
            for window in HotWindow::ALL {
                assert_eq!(part.hot(Scope::All, window, 20), alone.hot(Scope::All, window, 20), "{tenant:?}");
            }
            for item in ["i1", "j1"] {
                assert_eq!(part.similar(item, 9, Metric::Llr), alone.similar(item, 9, Metric::Llr));
            }
        }
        assert!(all.tenants().eq(["a", "b"]) && all.tenant(Some("c")).is_none());
        assert_eq!(all.counters().events, 180);
        assert_eq!(all.newest_of_all_ms(), 59_002);
    }

    #[test]
    fn entities_and_tombstones_go_to_their_tenant() {
        let mut all = three();
        feed(&mut all, "items", r#"{"item_id":"i1","title":"of a","tenant":"a"}"#).unwrap();
        let header: &[(&[u8], Option<&[u8]>)] = &[(b"tenant", Some(b"a"))];
        keyed(&mut all, "users", Some("u1"), Some(r#"{"age":30}"#), header).unwrap();
        let title = |all: &Recommender, tenant| {
            let list = all.tenant(tenant).unwrap().hot(Scope::All, HotWindow::AllTime, 99).unwrap();
            list.items.into_iter().find(|item| item.item_id == "i1").and_then(|item| item.title)
        };
        assert_eq!((title(&all, None), title(&all, Some("a"))), (None, Some("of a".to_owned())));
        keyed(&mut all, "users", Some("u1"), None, header).unwrap();
        let knows = |all: &Recommender, tenant| all.tenant(tenant).unwrap().has_history("u1");
        assert_eq!((knows(&all, None), knows(&all, Some("a")), knows(&all, Some("b"))), (true, false, true));
        keyed(&mut all, "users", Some("u1"), None, &[(b"tenant", Some(b"nobody's"))]).unwrap();
        assert!(knows(&all, None) && all.tenants().count() == 2, "nothing is made in order to forget");
        let mut taken = Vec::new();
        loop {
            let changes = all.take_changes(5);
            if changes.users.is_empty() && changes.items.is_empty() {
                break;
            }
            taken.push((changes.tenant.clone(), changes.users.len(), changes.items.len()));
            assert!(changes.users.len() <= 5 && changes.items.len() <= 5);
        }
        let users = |tenant: Option<&str>| -> usize {
            taken.iter().filter(|one| one.0.as_deref() == tenant).map(|one| one.1).sum()
        };
        assert_eq!([users(None), users(Some("a")), users(Some("b"))], [12, 12, 12]);
    }

    #[test]
    fn saved_bounded_and_refused() {
        let mut all = three();
        let loaded = Recommender::load(Config::default(), &bytes(&all)).unwrap();
        assert_eq!(bytes(&loaded), bytes(&all));
        let mut config = Config::default();
        config.set("recommender.tenants.max", "2").unwrap();
        config.set("recommender.memory.max", "200000").unwrap();
        let mut few = Recommender::new(config.clone());
        for tenant in ["a", "b"] {
            click(&mut few, Some(tenant), "u", "i", 0);
        }
        let refused =
            feed(&mut few, "user_behavior", r#"{"user_id":1,"item_id":2,"action":"click","tenant":"c"}"#);
        assert_eq!(refused, Err(Rejection::TooManyTenants { max: 2 }));
        let refused = feed(
            &mut all,
            "user_behavior",
            "{\"user_id\":1,\"item_id\":2,\"action\":\"click\",\"tenant\":\" \"}",
        );
        assert_eq!(refused, Err(Rejection::BadId { field: "tenant" }));
        for n in 0..6000i64 {
            click(&mut few, Some("a"), &format!("passing-{n}"), &format!("novelty-{}", n / 3), n * 1000);
            click(&mut few, Some("b"), &format!("u{}", n % 3), &format!("i{}", n % 5), n * 1000);
        }
        let report = few.report();
        assert!(report.bytes.iter().map(|part| part.1).sum::<usize>() <= 200_000, "{report:?}");
        assert!(few.tenant(Some("b")).unwrap().has_history("u1"), "the larger gives way");
        assert_eq!(bytes(&Recommender::load(config, &bytes(&few)).unwrap()), bytes(&few));
        let mut one = Config::default();
        one.set("recommender.tenants.max", "0").unwrap();
        let mut one = Recommender::new(one);
        click(&mut one, Some("a"), "u", "i", 0);
        assert!(one.knows_user("u") && one.tenant(Some("a")).is_some_and(|part| part.knows_item("i")));
    }
}
