//! Tasks: by service and slot, and by id.
//!
//! There are a million of them, and ids are random: what is found by id is never near what was found
//! before. So they lie by service and slot, where those that are decided about together are
//! together, and an id only says where; that is written when a task comes and goes, not each time
//! something becomes of it.

use std::sync::Arc;

use skep_api::{Error, Id, Service, Slot, Task};

use super::ApplyError;
use super::map::Map;
use super::table::{check_version, first_with, pick};
use crate::change::Key;

/// Where a task lies.
pub(crate) type Place = (Id<Service>, Slot, Id<Task>);

/// All tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tasks {
    places: Map<Id<Task>, (Id<Service>, Slot)>,
    rows: Map<Place, Arc<Task>>,
}

impl Tasks {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn get(&self, id: Id<Task>) -> Option<&Arc<Task>> {
        let (service, slot) = self.places.get(&id)?;
        self.at(&(*service, *slot, id))
    }

    pub(crate) fn at(&self, place: &Place) -> Option<&Arc<Task>> {
        self.rows.get(place)
    }

    /// All of them, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Task>> + Clone {
        let places = self.places.iter();
        places.filter_map(|(id, (service, slot))| self.at(&(*service, *slot, *id)))
    }

    /// Those from a place on, by place.
    pub(crate) fn from<'a>(
        &'a self,
        place: &Place,
    ) -> impl Iterator<Item = (&'a Place, &'a Arc<Task>)> + Clone + use<'a> {
        self.rows.from(place)
    }

    /// Where tasks are, by place.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.rows.iter().map(|(place, _)| place)
    }

    pub(crate) fn check_create(&self, task: &Task) -> Result<(), ApplyError> {
        match self.places.get(&task.id) {
            Some(_) => Err(ApplyError::IdTaken { key: Key::Task(task.id) }),
            None => Ok(()),
        }
    }

    /// Whether the stored task is the one that the writer read. Returns it.
    pub(crate) fn check_update(&self, task: &Task) -> Result<&Arc<Task>, ApplyError> {
        check_version(self.get(task.id), task)
    }

    /// Stores the task, whatever was there before. Returns that.
    pub(crate) fn put(&mut self, task: Arc<Task>) -> Option<Arc<Task>> {
        let (service, slot, id) = (task.service, task.slot, task.id);
        if let Some(before) = self.rows.insert((service, slot, id), task) {
            return Some(before);
        }
        // It is new, or was in another slot.
        let (service, slot) = self.places.insert(id, (service, slot))?;
        self.rows.remove(&(service, slot, id))
    }

    pub(crate) fn remove(&mut self, id: Id<Task>) -> Option<Arc<Task>> {
        let (service, slot) = self.places.remove(&id)?;
        self.rows.remove(&(service, slot, id))
    }

    /// The task that a user means: by its id, or by the first characters of its id.
    pub(crate) fn find(&self, input: &str) -> Result<&Arc<Task>, Error> {
        let exact = input.parse().ok().and_then(|id| self.get(id));
        let first: Option<Id<Task>> = first_with(input);
        let from = first.into_iter().flat_map(|first| self.places.from(&first));
        let with_prefix = from
            .map(|(id, _)| *id)
            .take_while(|id| id.to_string().starts_with(input))
            .filter_map(|id| self.get(id));
        pick(input, exact, with_prefix)
    }
}
