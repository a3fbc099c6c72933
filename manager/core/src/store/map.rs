//! A sorted map that shares its parts with its copies.
//!
//! The store is copied for every view and for every entry (which is applied all or not at all), and
//! holds a million tasks. So a copy costs one counter, and a write copies one chunk of entries and
//! the list of chunks, once, if a copy still looks at them. A plain `BTreeMap` would be copied
//! whole; the persistent maps on crates.io are under the MPL and bring far more than this needs.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Entries in a chunk. A write after a copy clones one chunk (about 4 KiB here) and the list of
/// chunks (a pointer each: 8,000 at a million entries); a larger chunk makes the first dearer, a
/// smaller one the second.
const CHUNK_MAX: usize = 256;

/// A sorted map with cheap copies.
#[derive(Clone)]
pub(crate) struct Map<K, V> {
    // No chunk is empty, each is sorted, and all of a chunk's keys come before the next chunk's.
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// Where a key is, or where it would go.
struct Place {
    chunk: usize,
    slot: Result<usize, usize>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { chunks: Arc::new(Vec::new()), len: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> Map<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key)?;
        place.slot.ok().map(|slot| &self.chunks[place.chunk][slot].1)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Some(place) = self.place(&key) else {
            Arc::make_mut(&mut self.chunks).push(Arc::new(vec![(key, value)]));
            self.len += 1;
            return None;
        };
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(&mut chunks[place.chunk]);
        match place.slot {
            Ok(slot) => Some(std::mem::replace(&mut chunk[slot].1, value)),
            Err(slot) => {
                chunk.insert(slot, (key, value));
                if chunk.len() > CHUNK_MAX {
                    let upper = chunk.split_off(CHUNK_MAX / 2);
                    chunks.insert(place.chunk + 1, Arc::new(upper));
                }
                self.len += 1;
                None
            }
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let Place { chunk: at, slot: Ok(slot) } = self.place(key)? else { return None };
        let chunks = Arc::make_mut(&mut self.chunks);
        let (_, value) = Arc::make_mut(&mut chunks[at]).remove(slot);
        self.len -= 1;
        // Small neighbours are joined, so that a map that shrank is not a long list of crumbs.
        let left = chunks[at].len();
        if left == 0 {
            chunks.remove(at);
        } else if chunks.get(at + 1).is_some_and(|next| left + next.len() <= CHUNK_MAX / 2) {
            let next = chunks.remove(at + 1);
            Arc::make_mut(&mut chunks[at]).extend(next.iter().cloned());
        }
        Some(value)
    }

    /// All entries, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> + Clone {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(|(key, value)| (key, value)))
    }

    /// The entries from `key` on, in order.
    pub(crate) fn from<'a>(
        &'a self,
        key: &K,
    ) -> impl Iterator<Item = (&'a K, &'a V)> + Clone + use<'a, K, V> {
        let (first, skip) = match self.place(key) {
            Some(Place { chunk, slot: Ok(slot) | Err(slot) }) => (chunk, slot),
            None => (0, 0),
        };
        let head = self.chunks.get(first).map_or(&[][..], |chunk| &chunk[skip..]);
        let rest = self.chunks.iter().skip(first + 1).flat_map(|chunk| chunk.iter());
        head.iter().chain(rest).map(|(key, value)| (key, value))
    }

    /// The last entry whose key is at most `key`.
    pub(crate) fn last_to(&self, key: &K) -> Option<(&K, &V)> {
        let place = self.place(key)?;
        let chunk = &self.chunks[place.chunk];
        // A key that would go before a chunk's first entry only ever lands in the first chunk.
        let (key, value) = match place.slot {
            Ok(slot) => &chunk[slot],
            Err(slot) => &chunk[slot.checked_sub(1)?],
        };
        Some((key, value))
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Option<Place>
    where
        K: Borrow<Q>,
    {
        let after = self.chunks.partition_point(|chunk| chunk[0].0.borrow() <= key);
        let chunk = after.saturating_sub(1);
        let slot = self.chunks.get(chunk)?.binary_search_by(|(k, _)| k.borrow().cmp(key));
        Some(Place { chunk, slot })
    }
}

impl<K: Ord + Clone + PartialEq, V: Clone + PartialEq> PartialEq for Map<K, V> {
    /// The same entries; how they are cut into chunks depends on how they came and says nothing.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Ord + Clone + fmt::Debug, V: Clone + fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// How often each key is there: the base of every index, since what is taken out again must leave
/// what another object put in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counts<K: Ord + Clone>(Map<K, u64>);

impl<K: Ord + Clone> Default for Counts<K> {
    fn default() -> Self {
        Self(Map::default())
    }
}

impl<K: Ord + Clone> Counts<K> {
    pub(crate) fn add(&mut self, key: K) {
        let count = self.get(&key);
        self.0.insert(key, count + 1);
    }

    pub(crate) fn take(&mut self, key: &K) {
        match self.get(key) {
            0 => {}
            1 => {
                self.0.remove(key);
            }
            count => {
                self.0.insert(key.clone(), count - 1);
            }
        }
    }

    pub(crate) fn get(&self, key: &K) -> u64 {
        self.0.get(key).copied().unwrap_or(0)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    /// The keys from `key` on, in order.
    pub(crate) fn from<'a>(&'a self, key: &K) -> impl Iterator<Item = &'a K> + Clone + use<'a, K> {
        self.0.from(key).map(|(key, _)| key)
    }

    /// The last key that is at most `key`.
    pub(crate) fn last_to(&self, key: &K) -> Option<&K> {
        self.0.last_to(key).map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_does_what_a_btreemap_does(steps in prop::collection::vec((any::<bool>(), 0_u16..3000), 0..4000)) {
            let mut map = Map::default();
            let mut model = BTreeMap::new();
            for (n, (insert, key)) in steps.into_iter().enumerate() {
                if insert {
                    prop_assert_eq!(map.insert(key, n), model.insert(key, n));
                } else {
                    prop_assert_eq!(map.remove(&key), model.remove(&key));
                }
            }
            prop_assert_eq!(map.len(), model.len());
            prop_assert!(map.iter().eq(model.iter()));
            for key in (0..3000).step_by(97) {
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert!(map.from(&key).eq(model.range(key..)));
                prop_assert_eq!(map.last_to(&key), model.range(..=key).next_back());
            }
        }
    }

    #[test]
    fn a_copy_does_not_see_later_writes() {
        let mut map: Map<u32, u32> = Map::default();
        for n in 0..2000 {
            map.insert(n, n);
        }
        let copy = map.clone();
        for n in 0..1990 {
            map.remove(&n);
        }
        map.insert(1995, 0);
        assert_eq!((copy.len(), map.len()), (2000, 10));
        assert_eq!((copy.get(&5), copy.get(&1995)), (Some(&5), Some(&1995)));
        assert!(map.chunks.len() <= 2, "a map that shrank has few chunks");
    }

    #[test]
    fn counts_forget_what_was_taken_as_often_as_it_was_added() {
        let mut counts = Counts::default();
        counts.add(7);
        counts.add(7);
        counts.take(&7);
        assert_eq!(counts.get(&7), 1);
        counts.take(&7);
        counts.take(&7);
        assert_eq!(counts, Counts::default());
    }
}
