//! One kind of object: by id, and by name where names are unique.

use std::sync::Arc;

use skep_api::{Cluster, Config, Error, ErrorKind, Id, Meta, Network, Node, Secret, Service, Task};

use super::ApplyError;
use super::map::Map;
use crate::change::Key;

/// An object that has a table.
pub(crate) trait Record: Clone + PartialEq {
    /// Its kind, as errors name it.
    const KIND: &'static str;

    fn id(&self) -> Id<Self>;
    fn key(id: Id<Self>) -> Key;
    fn meta_mut(&mut self) -> &mut Meta;
    fn meta(&self) -> &Meta;
    /// Its name, if no other of its kind may have it.
    fn unique_name(&self) -> Option<&str>;
}

macro_rules! record {
    ($type:ident, $kind:literal, $self:ident => $name:expr) => {
        impl Record for $type {
            const KIND: &'static str = $kind;

            fn id(&self) -> Id<Self> {
                self.id
            }
            fn key(id: Id<Self>) -> Key {
                Key::$type(id)
            }
            fn meta_mut(&mut self) -> &mut Meta {
                &mut self.meta
            }
            fn meta(&self) -> &Meta {
                &self.meta
            }
            fn unique_name(&$self) -> Option<&str> {
                $name
            }
        }
    };
}

// There is one swarm; host names are not unique; tasks have no names of their own.
record!(Cluster, "swarm", self => Some("default"));
record!(Node, "node", self => None);
record!(Task, "task", self => None);
record!(Service, "service", self => Some(&self.spec.name));
record!(Network, "network", self => Some(&self.spec.name));
record!(Secret, "secret", self => Some(&self.spec.name));
record!(Config, "config", self => Some(&self.spec.name));

/// The objects of one kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table<T> {
    rows: Map<Id<T>, Arc<T>>,
    // By lower-case name, as Swarm compares them (semantics part 1.1).
    names: Map<String, Id<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Map::default(), names: Map::default() }
    }
}

impl<T: Record> Table<T> {
    pub(crate) fn get(&self, id: Id<T>) -> Option<&Arc<T>> {
        self.rows.get(&id)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<T>> {
        self.names.get(name.to_lowercase().as_str()).and_then(|id| self.get(*id))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<T>> + Clone {
        self.rows.iter().map(|(_, row)| row)
    }

    /// Whether the object may be written: its id is there or free, and its name is its own.
    pub(crate) fn check_create(&self, object: &T) -> Result<(), ApplyError> {
        if self.get(object.id()).is_some() {
            return Err(ApplyError::IdTaken { key: T::key(object.id()) });
        }
        self.check_name(object)
    }

    /// Whether the stored object is the one that the writer read. Returns it.
    pub(crate) fn check_update(&self, object: &T) -> Result<&Arc<T>, ApplyError> {
        let stored = check_version(self.get(object.id()), object)?;
        self.check_name(object)?;
        Ok(stored)
    }

    fn check_name(&self, object: &T) -> Result<(), ApplyError> {
        match object.unique_name().and_then(|name| self.named(name)) {
            Some(other) if other.id() != object.id() => Err(ApplyError::NameTaken {
                key: T::key(object.id()),
                name: object.unique_name().unwrap_or_default().to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Stores the object, whatever was there before. Returns that.
    pub(crate) fn put(&mut self, object: Arc<T>) -> Option<Arc<T>> {
        let id = object.id();
        let name = object.unique_name().map(str::to_lowercase);
        let before = self.rows.insert(id, object);
        if let Some(before) = &before {
            let old = before.unique_name().map(str::to_lowercase);
            if let Some(old) = old.filter(|old| name.as_ref() != Some(old)) {
                self.names.remove(&old);
            }
        }
        if let Some(name) = name {
            self.names.insert(name, id);
        }
        before
    }

    pub(crate) fn remove(&mut self, id: Id<T>) -> Option<Arc<T>> {
        let gone = self.rows.remove(&id)?;
        if let Some(name) = gone.unique_name() {
            self.names.remove(name.to_lowercase().as_str());
        }
        Some(gone)
    }

    /// The object that a user means: by its id, by its name, or by the first characters of its id,
    /// in that order (semantics part 1.1).
    pub(crate) fn find(&self, input: &str) -> Result<&Arc<T>, Error> {
        let exact = input.parse().ok().and_then(|id| self.get(id));
        pick(input, exact.or_else(|| self.named(input)), self.with_prefix(input))
    }

    /// The objects whose ids begin with these characters.
    pub(crate) fn with_prefix<'a, 'p>(
        &'a self,
        prefix: &'p str,
    ) -> impl Iterator<Item = &'a Arc<T>> + use<'a, 'p, T> {
        first_with(prefix)
            .into_iter()
            .flat_map(|first| self.rows.from(&first))
            .map(|(_, row)| row)
            .take_while(move |row| row.id().to_string().starts_with(prefix))
    }
}

/// Whether the stored object is the one that the writer read. Returns it.
pub(super) fn check_version<'a, T: Record>(
    stored: Option<&'a Arc<T>>,
    object: &T,
) -> Result<&'a Arc<T>, ApplyError> {
    let key = T::key(object.id());
    let stored = stored.ok_or(ApplyError::Missing { key })?;
    let (given, stored_version) = (object.meta().version, stored.meta().version);
    if given != stored_version {
        return Err(ApplyError::Stale { key, given, stored: stored_version });
    }
    Ok(stored)
}

/// The object that a user means: the one that is named exactly, or the only one whose id begins so.
pub(super) fn pick<'a, T: Record>(
    input: &str,
    exact: Option<&'a Arc<T>>,
    mut with_prefix: impl Iterator<Item = &'a Arc<T>>,
) -> Result<&'a Arc<T>, Error> {
    if let Some(found) = exact {
        return Ok(found);
    }
    match (with_prefix.next(), with_prefix.count()) {
        (None, _) => Err(not_found(T::KIND, input)),
        (Some(found), 0) => Ok(found),
        (Some(_), more) => Err(ambiguous(T::KIND, input, more + 1)),
    }
}

/// The first id that may begin with these characters: ids order as they are written, so those with a
/// prefix stand together.
pub(super) fn first_with<T>(prefix: &str) -> Option<Id<T>> {
    format!("{prefix:0<25}").parse().ok().filter(|_| !prefix.is_empty())
}

/// Swarm's words for an object that is not there.
pub(crate) fn not_found(kind: &str, input: &str) -> Error {
    Error::not_found(format!("{kind} {input} not found"))
}

/// Swarm's words for the beginning of several ids.
pub(crate) fn ambiguous(kind: &str, input: &str, matches: usize) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("{kind} {input} is ambiguous ({matches} matches found)"),
    )
    .hint("give more characters of the id, or the name")
}
