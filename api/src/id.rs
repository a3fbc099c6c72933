//! Ids: 128 bits, written as 25 characters of base 36, as Swarm writes its own.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

/// Characters of a written id. 36^25 is a little more than 2^128.
const ID_LEN: usize = 25;

/// The id of a `T`. Orders as its written form does.
//
// In two halves, the high one first: a `u128` is aligned to 16 bytes, and a store of a million tasks
// keeps ids beside smaller things a dozen million times.
pub struct Id<T>([u64; 2], PhantomData<fn() -> T>);

impl<T> Id<T> {
    /// An id from its number; for generators and decoders.
    pub const fn from_u128(raw: u128) -> Self {
        Self([(raw >> 64) as u64, raw as u64], PhantomData)
    }

    /// The id's number.
    pub const fn as_u128(self) -> u128 {
        ((self.0[0] as u128) << 64) | self.0[1] as u128
    }

    /// The first twelve characters, as tables show them.
    pub fn short(self) -> String {
        let mut text = self.to_string();
        text.truncate(12);
        text
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        // As one number: two words are compared faster than a list of them.
        self.as_u128().cmp(&other.as_u128())
    }
}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; ID_LEN];
        let mut rest = self.as_u128();
        for slot in text.iter_mut().rev() {
            let digit = (rest % 36) as u8;
            *slot = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            rest /= 36;
        }
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: an id has 25 characters of 0-9 and a-z")]
pub struct IdParseError(String);

impl<T> FromStr for Id<T> {
    type Err = IdParseError;

    fn from_str(text: &str) -> Result<Self, IdParseError> {
        let bad = || IdParseError(text.chars().take(64).collect());
        if text.len() != ID_LEN {
            return Err(bad());
        }
        let mut raw: u128 = 0;
        for byte in text.bytes() {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'z' => byte - b'a' + 10,
                _ => return Err(bad()),
            };
            raw = raw
                .checked_mul(36)
                .and_then(|r| r.checked_add(u128::from(digit)))
                .ok_or_else(bad)?;
        }
        Ok(Self::from_u128(raw))
    }
}

/// Makes ids. The same seed gives the same ids: decisions must repeat byte for byte.
#[derive(Debug, Clone)]
pub struct IdGen(ChaCha12Rng);

impl IdGen {
    /// A generator that starts from `seed`; a shell takes it from the system's random source.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// A generator for tests and the simulator.
    pub fn from_u64(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// The next id.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not make ids of any type")]
    pub fn next<T>(&mut self) -> Id<T> {
        let high = u128::from(self.0.next_u64());
        Id::from_u128((high << 64) | u128::from(self.0.next_u64()))
    }

    /// A number below `bound`, for choices that need no order; `bound` is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_being_written_and_read() {
        let mut ids = IdGen::from_u64(7);
        for raw in [0, 1, u128::MAX] {
            let id = Id::<()>::from_u128(raw);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        let mut last = String::new();
        let mut written: Vec<Id<()>> = (0..100).map(|_| ids.next()).collect();
        written.sort();
        for id in written {
            assert!(id.to_string() > last, "ids order as they are written");
            last = id.to_string();
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for bad in ["", "short", "ZZZZZZZZZZZZZZZZZZZZZZZZZ", "zzzzzzzzzzzzzzzzzzzzzzzzz"] {
            assert!(bad.parse::<Id<()>>().is_err(), "{bad}");
        }
    }
}
