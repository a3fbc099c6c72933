//! Which nodes have a session, and until when they are believed. Time is passed in.
//!
//! | situation | outcome |
//! |---|---|
//! | a node opens a session | the one it had is invalid, its streams end |
//! | a beat | it is believed for three periods more |
//! | three periods without a beat | it is down: its session ends, later calls say so |
//! | a manager begins to lead | every node that is not down has six periods to open a session |

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use skep_api::{Error, Id, Node, Time};
use tokio_util::sync::CancellationToken;

/// Beats that a node may miss (semantics part 8).
const BEATS_MISSED_MAX: u32 = 3;
/// How many periods a node has to come back to a manager that just began to lead.
const RETURN_PERIODS: u32 = 6;
/// Sessions that one node may open within [`OPEN_WINDOW`]; Swarm's numbers. A node that crashes at
/// once and starts again must not keep managers busy with its registrations.
const OPEN_MAX: usize = 3;
const OPEN_WINDOW: Duration = Duration::from_secs(8);

/// What a session's id is the id of.
#[derive(Debug)]
pub(crate) struct Session;

/// Why a call is refused (semantics part 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionError {
    /// No such session, or the node has opened another.
    #[error("session invalid")]
    Invalid,
    /// The node missed its beats.
    #[error("node not registered")]
    NotRegistered,
    /// The node opens sessions too often.
    #[error("node {0} exceeded rate limit count of registrations")]
    TooMany(Id<Node>),
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        let message = error.to_string();
        match error {
            SessionError::Invalid | SessionError::NotRegistered => Self::invalid(message),
            SessionError::TooMany(_) => Self::new(skep_api::ErrorKind::Unavailable, message),
        }
    }
}

/// Why a node is not believed any more; the words of its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It missed its beats.
    Beats,
    /// It did not come back after a change of leadership.
    Return,
}

impl Lost {
    /// Swarm's words.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Beats => "heartbeat failure",
            Self::Return => "heartbeat failure for node in \"unknown\" state",
        }
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    nodes: BTreeMap<Id<Node>, Seat>,
    ids: BTreeMap<Id<Session>, Id<Node>>,
}

/// What is known of a node.
#[derive(Debug, Default)]
struct Seat {
    session: Option<Open>,
    /// When it is lost; none once it was.
    deadline: Option<Time>,
    /// When it opened its last sessions.
    opened: VecDeque<Time>,
}

/// A session and the end of its streams.
#[derive(Debug, Clone)]
struct Open {
    id: Id<Session>,
    ended: CancellationToken,
}

impl Sessions {
    /// A manager begins to lead: the node has to come back.
    pub(crate) fn await_return(&mut self, node: Id<Node>, now: Time, period: Duration) {
        let seat = self.nodes.entry(node).or_default();
        seat.deadline = Some(now.after(period.saturating_mul(RETURN_PERIODS)));
    }

    /// Opens a session and ends the one the node had. What comes back is cancelled when this one
    /// ends.
    pub(crate) fn open(
        &mut self,
        node: Id<Node>,
        id: Id<Session>,
        now: Time,
        period: Duration,
    ) -> Result<CancellationToken, SessionError> {
        let seat = self.nodes.entry(node).or_default();
        seat.opened.retain(|at| now.since(*at) < OPEN_WINDOW);
        if seat.opened.len() >= OPEN_MAX {
            return Err(SessionError::TooMany(node));
        }
        seat.opened.push_back(now);
        seat.deadline = Some(grace(now, period));
        let ended = CancellationToken::new();
        if let Some(before) = seat.session.replace(Open { id, ended: ended.clone() }) {
            before.ended.cancel();
            self.ids.remove(&before.id);
        }
        self.ids.insert(id, node);
        Ok(ended)
    }

    /// A beat.
    pub(crate) fn beat(
        &mut self,
        id: Id<Session>,
        now: Time,
        period: Duration,
    ) -> Result<(), SessionError> {
        let (node, _) = self.find(id)?;
        if let Some(seat) = self.nodes.get_mut(&node) {
            seat.deadline = Some(grace(now, period));
        }
        Ok(())
    }

    /// Whose session it is, and what is cancelled when it ends.
    pub(crate) fn find(
        &self,
        id: Id<Session>,
    ) -> Result<(Id<Node>, CancellationToken), SessionError> {
        let node = *self.ids.get(&id).ok_or(SessionError::Invalid)?;
        let seat = self.nodes.get(&node).ok_or(SessionError::Invalid)?;
        let open = seat.session.as_ref().ok_or(SessionError::Invalid)?;
        if open.ended.is_cancelled() {
            return Err(SessionError::NotRegistered);
        }
        Ok((node, open.ended.clone()))
    }

    /// The nodes that are lost now. Their sessions end.
    pub(crate) fn expire(&mut self, now: Time) -> Vec<(Id<Node>, Lost)> {
        let due = |seat: &Seat| seat.deadline.is_some_and(|deadline| deadline <= now);
        let seats = self.nodes.iter_mut().filter(|(_, seat)| due(seat));
        seats
            .map(|(node, seat)| {
                seat.deadline = None;
                let lost = match &seat.session {
                    Some(open) => {
                        open.ended.cancel();
                        Lost::Beats
                    }
                    None => Lost::Return,
                };
                (*node, lost)
            })
            .collect()
    }

    /// Forgets a node that is not in the store any more.
    pub(crate) fn forget(&mut self, node: Id<Node>) {
        if let Some(open) = self.nodes.remove(&node).and_then(|seat| seat.session) {
            open.ended.cancel();
            self.ids.remove(&open.id);
        }
    }

    /// When the next node is lost unless it beats.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.nodes.values().filter_map(|seat| seat.deadline).min()
    }
}

/// How long a node is believed after it was heard.
fn grace(now: Time, period: Duration) -> Time {
    now.after(period.saturating_mul(BEATS_MISSED_MAX))
}

/// When the node is to beat again: the period and up to a tenth more or less, so that nodes which
/// came together do not beat together. `random` is any number.
pub(crate) fn next_beat(period: Duration, random: u8) -> Duration {
    let spread = period.saturating_mul(2) / 10;
    let early = period.saturating_sub(spread / 2);
    early.saturating_add(spread.saturating_mul(u32::from(random)) / u32::from(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Time {
        Time::from_secs(1000).after(Duration::from_millis(millis))
    }

    fn node(n: u128) -> Id<Node> {
        Id::from_u128(n)
    }

    fn session(n: u128) -> Id<Session> {
        Id::from_u128(n)
    }

    #[test]
    fn a_second_session_of_a_node_ends_the_first() {
        let mut sessions = Sessions::default();
        let first = sessions.open(node(1), session(10), at(0), PERIOD).expect("opens");
        let second = sessions.open(node(1), session(11), at(1), PERIOD).expect("opens");
        assert!(first.is_cancelled() && !second.is_cancelled());
        assert_eq!(sessions.beat(session(10), at(2), PERIOD), Err(SessionError::Invalid));
        assert_eq!(sessions.beat(session(11), at(2), PERIOD), Ok(()));
        assert_eq!(sessions.beat(session(12), at(2), PERIOD), Err(SessionError::Invalid));
        assert_eq!(sessions.find(session(11)).map(|(node, _)| node), Ok(node(1)));
    }

    #[test]
    fn three_missed_beats_are_a_loss_and_a_beat_puts_it_off() {
        let mut sessions = Sessions::default();
        let open = sessions.open(node(1), session(10), at(0), PERIOD).expect("opens");
        assert_eq!(sessions.next_deadline(), Some(at(3000)));
        assert_eq!(sessions.expire(at(2999)), []);
        sessions.beat(session(10), at(2999), PERIOD).expect("alive");
        assert_eq!(sessions.expire(at(5998)), []);
        assert_eq!(sessions.expire(at(5999)), [(node(1), Lost::Beats)]);
        assert!(open.is_cancelled());
        assert_eq!(sessions.expire(at(9000)), [], "once is enough");
        assert_eq!(sessions.next_deadline(), None);
        let late = sessions.beat(session(10), at(9000), PERIOD);
        assert_eq!(late, Err(SessionError::NotRegistered));

        sessions.open(node(1), session(11), at(20_000), PERIOD).expect("it may come back");
        assert_eq!(sessions.beat(session(11), at(20_001), PERIOD), Ok(()));
    }

    #[test]
    fn a_node_that_does_not_come_back_to_a_new_leader_is_lost() {
        let mut sessions = Sessions::default();
        sessions.await_return(node(1), at(0), PERIOD);
        sessions.await_return(node(2), at(0), PERIOD);
        sessions.open(node(2), session(10), at(5000), PERIOD).expect("opens");
        assert_eq!(sessions.expire(at(6000)), [(node(1), Lost::Return)]);
        assert_eq!(sessions.next_deadline(), Some(at(8000)));
    }

    #[test]
    fn a_node_that_opens_too_many_sessions_is_slowed_down() {
        let mut sessions = Sessions::default();
        for n in 0..3 {
            sessions.open(node(1), session(n), at(0), PERIOD).expect("within the limit");
        }
        let refused = sessions.open(node(1), session(3), at(7999), PERIOD);
        assert_eq!(refused.err(), Some(SessionError::TooMany(node(1))));
        assert!(sessions.open(node(2), session(4), at(0), PERIOD).is_ok(), "others are not");
        assert!(sessions.open(node(1), session(5), at(8000), PERIOD).is_ok());
    }

    #[test]
    fn a_forgotten_node_has_no_session() {
        let mut sessions = Sessions::default();
        let open = sessions.open(node(1), session(1), at(0), PERIOD).expect("opens");
        sessions.forget(node(1));
        assert!(open.is_cancelled());
        assert_eq!(sessions.beat(session(1), at(1), PERIOD), Err(SessionError::Invalid));
        assert_eq!(sessions.next_deadline(), None);
    }

    #[test]
    fn beats_stay_within_a_tenth_of_the_period() {
        let period = Duration::from_secs(5);
        assert_eq!(next_beat(period, 0), Duration::from_millis(4500));
        assert_eq!(next_beat(period, u8::MAX), Duration::from_millis(5500));
        for random in 0..=u8::MAX {
            let beat = next_beat(period, random);
            assert!((4500..=5500).contains(&beat.as_millis()), "{beat:?}");
        }
    }
}
