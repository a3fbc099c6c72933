//! A sorted map that shares its parts with its copies.
//!
//! The store is copied for every view and for every entry (which is applied all or not at all), and
//! holds a million tasks. So a copy costs one counter, and a write copies what lies on the way to
//! one entry, once, if a copy still looks at it: a B+ tree whose nodes are counted. A plain
//! `BTreeMap` would be copied whole; the persistent maps on crates.io are under the MPL and bring
//! far more than this needs.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Entries in a leaf, and children of an inner node. A write after a copy clones one leaf (a
/// kilobyte, or 32 counters if the values are counted) and three inner nodes at a million entries;
/// larger ones make that dearer, smaller ones cost more memory and more steps.
const NODE_MAX: usize = 32;
/// Places that a full list grows by: doubling would leave a quarter of a million tasks' indexes
/// empty.
const GROWTH: usize = 4;

/// A sorted map with cheap copies.
#[derive(Clone)]
pub(crate) struct Map<K, V> {
    root: Node<K, V>,
    len: usize,
}

/// No node but the root is empty; in each, keys are sorted.
enum Node<K, V> {
    Leaf(Arc<Vec<(K, V)>>),
    Inner(Arc<Vec<Child<K, V>>>),
}

/// A node and a key that is at most its first one, and above all keys of the nodes before it.
#[derive(Clone)]
struct Child<K, V> {
    from: K,
    node: Node<K, V>,
}

impl<K, V> Clone for Node<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(entries) => Self::Leaf(Arc::clone(entries)),
            Self::Inner(children) => Self::Inner(Arc::clone(children)),
        }
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { root: Node::Leaf(Arc::new(Vec::new())), len: 0 }
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
        let (leaf, _) = self.root.leaf(Some(key));
        let slot = leaf.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        Some(&leaf[slot].1)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (old, split) = self.root.insert(key, value);
        if let Some(upper) = split {
            let lower = std::mem::replace(&mut self.root, Node::Leaf(Arc::new(Vec::new())));
            // The first child's key is never asked for.
            let lower = Child { from: upper.from.clone(), node: lower };
            self.root = Node::Inner(Arc::new(vec![lower, upper]));
        }
        self.len += usize::from(old.is_none());
        old
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        // Looked up first: what is not there copies nothing.
        self.get(key)?;
        let gone = self.root.remove(key)?;
        self.len -= 1;
        while let Node::Inner(children) = &self.root {
            let [only] = children.as_slice() else { break };
            self.root = only.node.clone();
        }
        Some(gone)
    }

    /// All entries, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> + Clone {
        let (leaf, next) = self.root.leaf::<K>(None);
        Entries { map: self, leaf: leaf.iter(), next }
    }

    /// The entries from `key` on, in order.
    pub(crate) fn from<'a>(
        &'a self,
        key: &K,
    ) -> impl Iterator<Item = (&'a K, &'a V)> + Clone + use<'a, K, V> {
        let (leaf, next) = self.root.leaf(Some(key));
        let skip = leaf.partition_point(|(k, _)| k.cmp(key).is_lt());
        Entries { map: self, leaf: leaf[skip..].iter(), next }
    }

    /// The last entry whose key is at most `key`.
    pub(crate) fn last_to(&self, key: &K) -> Option<(&K, &V)> {
        self.root.last_to(key)
    }
}

impl<K: Ord + Clone, V: Clone> Node<K, V> {
    /// The leaf where the key is or would go, the first one without a key; and from where on the
    /// next leaf holds keys.
    fn leaf<Q: Ord + ?Sized>(&self, key: Option<&Q>) -> (&[(K, V)], Option<&K>)
    where
        K: Borrow<Q>,
    {
        let (mut node, mut next) = (self, None);
        loop {
            match node {
                Self::Leaf(entries) => return (entries, next),
                Self::Inner(children) => {
                    let at = key.map_or(0, |key| child_of(children, key));
                    next = children.get(at + 1).map(|child| &child.from).or(next);
                    node = &children[at].node;
                }
            }
        }
    }

    fn last_to(&self, key: &K) -> Option<(&K, &V)> {
        match self {
            Self::Leaf(entries) => {
                let after = entries.partition_point(|(k, _)| k.cmp(key).is_le());
                entries[..after].last().map(|(key, value)| (key, value))
            }
            // The child's first keys may be gone: then it is the last one of the child before.
            Self::Inner(children) => {
                let at = child_of(children, key);
                children[..=at].iter().rev().find_map(|child| child.node.last_to(key))
            }
        }
    }

    /// Puts an entry in. Returns what was there, and the upper half of the node if it was split.
    fn insert(&mut self, key: K, value: V) -> (Option<V>, Option<Child<K, V>>) {
        match self {
            Self::Leaf(entries) => {
                let entries = Arc::make_mut(entries);
                match entries.binary_search_by(|(k, _)| k.cmp(&key)) {
                    Ok(slot) => (Some(std::mem::replace(&mut entries[slot].1, value)), None),
                    Err(slot) => {
                        let upper = put(entries, slot, (key, value));
                        let child = |upper: Vec<(K, V)>| Child {
                            from: upper[0].0.clone(),
                            node: Self::Leaf(Arc::new(upper)),
                        };
                        (None, upper.map(child))
                    }
                }
            }
            Self::Inner(children) => {
                let children = Arc::make_mut(children);
                let at = child_of(children, &key);
                if at == 0 && key < children[0].from {
                    children[0].from = key.clone();
                }
                let (old, split) = children[at].node.insert(key, value);
                let upper = split.and_then(|child| put(children, at + 1, child));
                let child = |upper: Vec<Child<K, V>>| Child {
                    from: upper[0].from.clone(),
                    node: Self::Inner(Arc::new(upper)),
                };
                (old, upper.map(child))
            }
        }
    }

    fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Leaf(entries) => {
                let slot = entries.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
                Some(Arc::make_mut(entries).remove(slot).1)
            }
            Self::Inner(children) => {
                let children = Arc::make_mut(children);
                let at = child_of(children, key);
                let gone = children[at].node.remove(key)?;
                tidy(children, at);
                Some(gone)
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(children) => children.len(),
        }
    }

    /// Takes the entries of the next node over.
    fn append(&mut self, next: Self) {
        match (self, next) {
            (Self::Leaf(entries), Self::Leaf(next)) => {
                Arc::make_mut(entries).extend(Arc::unwrap_or_clone(next));
            }
            (Self::Inner(children), Self::Inner(next)) => {
                Arc::make_mut(children).extend(Arc::unwrap_or_clone(next));
            }
            // Neighbours are equally far from the root.
            _ => debug_assert!(false, "a leaf beside an inner node"),
        }
    }
}

/// Which child holds the key, if one does.
fn child_of<K: Borrow<Q>, V, Q: Ord + ?Sized>(children: &[Child<K, V>], key: &Q) -> usize {
    children[1..].partition_point(|child| child.from.borrow().cmp(key).is_le())
}

/// Puts an item into a list; returns the upper half if it became too long. A list that is written
/// from the lowest to the highest is left full.
fn put<T>(list: &mut Vec<T>, at: usize, item: T) -> Option<Vec<T>> {
    if list.len() < NODE_MAX {
        if list.len() == list.capacity() {
            list.reserve_exact(GROWTH);
        }
        list.insert(at, item);
        return None;
    }
    if at == list.len() {
        return Some(vec![item]);
    }
    let mut upper = list.split_off(NODE_MAX / 2);
    match at.checked_sub(NODE_MAX / 2) {
        Some(at) => upper.insert(at, item),
        None => list.insert(at, item),
    }
    Some(upper)
}

/// Joins a child that became small with a neighbour, so that a map that shrank is not a long list of
/// crumbs.
fn tidy<K: Ord + Clone, V: Clone>(children: &mut Vec<Child<K, V>>, at: usize) {
    if children[at].node.len() == 0 {
        children.remove(at);
        return;
    }
    for left in [at, at.wrapping_sub(1)] {
        let Some([lower, upper]) = children.get(left..left.wrapping_add(2)) else { continue };
        if lower.node.len() + upper.node.len() <= NODE_MAX / 2 {
            let upper = children.remove(left + 1);
            children[left].node.append(upper.node);
            return;
        }
    }
}

/// Entries from some place on. It goes down from the root again for every leaf, so that it is small
/// and easily copied.
struct Entries<'a, K, V> {
    map: &'a Map<K, V>,
    leaf: std::slice::Iter<'a, (K, V)>,
    next: Option<&'a K>,
}

impl<K, V> Clone for Entries<'_, K, V> {
    fn clone(&self) -> Self {
        Self { map: self.map, leaf: self.leaf.clone(), next: self.next }
    }
}

impl<'a, K: Ord + Clone, V: Clone> Iterator for Entries<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.leaf.next() {
                return Some((key, value));
            }
            let (leaf, next) = self.map.root.leaf(Some(self.next?));
            (self.leaf, self.next) = (leaf.iter(), next);
        }
    }
}

impl<K: Ord + Clone + PartialEq, V: Clone + PartialEq> PartialEq for Map<K, V> {
    /// The same entries; how they are cut into nodes depends on how they came and says nothing.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Ord + Clone + fmt::Debug, V: Clone + fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A sorted set with cheap copies.
#[derive(Clone, PartialEq)]
pub(crate) struct Set<K: Ord + Clone>(Map<K, ()>);

impl<K: Ord + Clone> Default for Set<K> {
    fn default() -> Self {
        Self(Map::default())
    }
}

impl<K: Ord + Clone> Set<K> {
    pub(crate) fn add(&mut self, key: K) {
        self.0.insert(key, ());
    }

    pub(crate) fn take(&mut self, key: &K) {
        self.0.remove(key);
    }

    /// Takes one key out and puts another in, unless they are the same.
    pub(crate) fn shift(&mut self, before: Option<K>, after: Option<K>) {
        if before == after {
            return;
        }
        before.into_iter().for_each(|key| self.take(&key));
        after.into_iter().for_each(|key| self.add(key));
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.0.iter().map(|(key, ())| key)
    }

    /// The last key that is at most `key`.
    pub(crate) fn last_to(&self, key: &K) -> Option<&K> {
        self.0.last_to(key).map(|(key, ())| key)
    }

    /// The keys from `key` on, in order.
    pub(crate) fn from<'a>(&'a self, key: &K) -> impl Iterator<Item = &'a K> + Clone + use<'a, K> {
        self.0.from(key).map(|(key, ())| key)
    }
}

impl<K: Ord + Clone + fmt::Debug> fmt::Debug for Set<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

/// How often each key is there: for indexes in which several objects may have put the same, so that
/// what one takes out leaves what another put in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counts<K: Ord + Clone>(Map<K, u32>);

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

    pub(crate) fn get(&self, key: &K) -> u32 {
        self.0.get(key).copied().unwrap_or(0)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    /// The keys from `key` on, in order.
    pub(crate) fn from<'a>(&'a self, key: &K) -> impl Iterator<Item = &'a K> + Clone + use<'a, K> {
        self.0.from(key).map(|(key, _)| key)
    }

    /// The keys from `key` on, in order, and how often each is there.
    pub(crate) fn counts_from<'a>(
        &'a self,
        key: &K,
    ) -> impl Iterator<Item = (&'a K, u32)> + Clone + use<'a, K> {
        self.0.from(key).map(|(key, count)| (key, *count))
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
        fn it_does_what_a_btreemap_does(steps in prop::collection::vec((any::<bool>(), 0_u16..3000), 0..6000)) {
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
        assert!(matches!(map.root, Node::Leaf(_)), "a map that shrank has few nodes");
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
