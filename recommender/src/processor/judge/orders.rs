//! What orders come to, each currency by itself, and what refunds take back.
//!
//! ```text
//! line of an order ─▶ order of its id (else one of its own) ─▶ its sum by origin and currency ─▶ counts of the window of
//! refund ───────────▶ order of its id ─▶ less in that sum                                        the order's first line
//!                     └ none known: less in the sum of all orders, in the window of the refund
//! ```

use crate::judging::board::{Board, OriginIdx, TOTAL};
use crate::judging::currency::Currency;
use crate::judging::recent::Recent;
use crate::judging::tally::Tally;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

/// Orders whose lines are put together.
const ORDERS_MAX: usize = 65_536;
/// Most origins and currencies of the lines of one order.
const PARTS_MAX: usize = 16;

/// Orders whose lines may come one by one, the latest.
#[derive(Debug)]
pub(super) struct Orders {
    recent: Recent<Order>,
}

/// An order by what was said of it so far.
#[derive(Debug)]
struct Order {
    user: u64,
    window: i64,
    parts: Vec<Part>,
}

/// What an order came to by one origin, in one currency.
#[derive(Debug, Clone, Copy)]
struct Part {
    origin: OriginIdx,
    currency: Currency,
    sum: f64,
}

/// Money of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Money {
    /// Whose, by hash.
    pub(super) user: u64,
    /// The order's key, if the event names one.
    pub(super) order: Option<u64>,
    pub(super) origin: OriginIdx,
    /// The window of the event's own time.
    pub(super) window: i64,
    /// As the event names it; what names none is in that of its order.
    pub(super) currency: Option<Currency>,
}

impl Orders {
    pub(super) fn new() -> Self {
        Self { recent: Recent::new(ORDERS_MAX) }
    }

    /// Counts a line of an order, or all of one.
    pub(super) fn pay(&mut self, board: &mut Board, money: Money, amount: f64) {
        let Some(key) = money.order else {
            let currency = money.currency.unwrap_or(Currency::NONE);
            return board.count_with_total(money.window, money.origin, |tally| {
                if let Some(orders) = tally.orders_in(currency) {
                    orders.add(amount);
                }
            });
        };
        if self.recent.get_mut(key).is_none() {
            self.recent.insert(key, Order { user: money.user, window: money.window, parts: Vec::new() });
        }
        let Some(order) = self.recent.get_mut(key) else { return };
        let currency = order.currency_of(money);
        let known =
            order.parts.iter().position(|part| (part.origin, part.currency) == (money.origin, currency));
        match known {
            Some(at) => order.change(board, at, amount),
            None if order.parts.len() < PARTS_MAX => order.begin(board, money.origin, currency, amount),
            None => {}
        }
    }

    /// Takes an amount back; without one, all of the order.
    pub(super) fn refund(&mut self, board: &mut Board, money: Money, amount: Option<f64>) {
        let order = money.order.and_then(|key| self.recent.get_mut(key));
        match (order, amount) {
            (Some(order), None) => {
                (0..order.parts.len()).for_each(|at| order.change(board, at, -order.parts[at].sum))
            }
            (Some(order), Some(amount)) => {
                let currency = order.currency_of(money);
                let of_currency = |part: &Part| part.currency == currency;
                let own =
                    order.parts.iter().position(|part| part.origin == money.origin && of_currency(part));
                match own.or_else(|| order.parts.iter().position(of_currency)) {
                    Some(at) => order.change(board, at, -amount),
                    None => lower(board, money, currency, amount),
                }
            }
            (None, Some(amount)) => lower(board, money, money.currency.unwrap_or(Currency::NONE), amount),
            (None, None) => {}
        }
    }

    /// Drops the orders of users.
    pub(super) fn forget(&mut self, users: &[u64]) {
        self.recent.retain(|order| !users.contains(&order.user));
    }

    pub(super) fn size_bytes(&self) -> usize {
        let parts: usize =
            self.recent.iter().map(|(_, order)| order.parts.capacity() * size_of::<Part>()).sum();
        self.recent.size_bytes() + parts
    }

    pub(super) fn save(&self, out: &mut Writer) {
        out.u32(self.recent.iter().len() as u32);
        for (key, order) in self.recent.iter() {
            out.u64(key);
            out.u64(order.user);
            out.i64(order.window);
            out.u32(order.parts.len() as u32);
            for part in &order.parts {
                out.u32(part.origin);
                out.text(part.currency.name());
                out.f64(part.sum);
            }
        }
    }

    pub(super) fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..input.count(28)? {
            let (key, user, window) = (input.u64()?, input.u64()?, input.i64()?);
            let part = |input: &mut Reader<'_>| {
                let (origin, currency) = (input.u32()?, Currency::named(input.text()?));
                Ok(Part { origin, currency, sum: input.f64()? })
            };
            let parts = (0..input.count(16)?).map(|_| part(input)).collect::<Result<_, SnapshotError>>()?;
            self.recent.insert(key, Order { user, window, parts });
        }
        Ok(())
    }
}

impl Order {
    fn currency_of(&self, money: Money) -> Currency {
        let first = || self.parts.first().map(|part| part.currency);
        money.currency.or_else(first).unwrap_or(Currency::NONE)
    }

    /// What everything together of a currency comes to; `None` if there is none of it.
    fn total(&self, currency: Currency) -> Option<f64> {
        let sums = || self.parts.iter().filter(|part| part.currency == currency).map(|part| part.sum);
        sums().next().is_some().then(|| sums().sum())
    }

    fn begin(&mut self, board: &mut Board, origin: OriginIdx, currency: Currency, amount: f64) {
        let before = self.total(currency);
        self.parts.push(Part { origin, currency, sum: amount });
        self.count(board, origin, currency, None, amount);
        self.count(board, TOTAL, currency, before, amount);
    }

    fn change(&mut self, board: &mut Board, at: usize, amount: f64) {
        let Part { origin, currency, sum } = self.parts[at];
        let before = self.total(currency);
        self.parts[at].sum += amount;
        self.count(board, origin, currency, Some(sum), amount);
        self.count(board, TOTAL, currency, before, amount);
    }

    /// Counts an amount more than there was before of an order, which is one more if there was nothing.
    fn count(
        &self,
        board: &mut Board,
        origin: OriginIdx,
        currency: Currency,
        before: Option<f64>,
        amount: f64,
    ) {
        board.count(self.window, board.known(origin), |tally: &mut Tally| {
            let Some(orders) = tally.orders_in(currency) else { return };
            match before {
                Some(old) => orders.replace(old, old + amount),
                None => orders.add(amount),
            }
        });
    }
}

/// Takes back of orders that are not known one by one.
fn lower(board: &mut Board, money: Money, currency: Currency, amount: f64) {
    board.count_with_total(money.window, money.origin, |tally| {
        if let Some(orders) = tally.orders_in(currency) {
            orders.lower(amount);
        }
    });
}
