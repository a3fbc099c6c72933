//! The items, as the records made them.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Item, ItemId, Record};

/// More items than this are refused: one answer of the database holds them all.
pub const ITEMS_MAX: usize = 1000;

/// All items, in the order they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    items: BTreeMap<ItemId, Item>,
    next: u64,
}

/// A change that the list does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListError {
    /// It is full.
    Full,
    /// It has no such item.
    Missing(ItemId),
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => {
                write!(f, "there are {ITEMS_MAX} items, which is the most: delete one first")
            }
            Self::Missing(id) => write!(f, "there is no item {id}"),
        }
    }
}

impl List {
    /// The number that the next new item gets.
    pub const fn next_id(&self) -> ItemId {
        // Numbers start at 1: 0 looks like a mistake.
        ItemId(self.next.saturating_add(1))
    }

    /// The items in the order they were added.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &Item> {
        self.items.values()
    }

    /// Whether the list would take the change.
    pub fn check(&self, record: &Record) -> Result<(), ListError> {
        match record {
            Record::Add(_) if self.items.len() >= ITEMS_MAX => Err(ListError::Full),
            Record::Tick(id, _) | Record::Delete(id) if !self.items.contains_key(id) => {
                Err(ListError::Missing(*id))
            }
            _ => Ok(()),
        }
    }

    /// Makes the change. One that [`Self::check`] refuses changes nothing.
    pub fn apply(&mut self, record: Record) {
        if self.check(&record).is_err() {
            return;
        }
        match record {
            Record::Add(item) => {
                self.next = self.next.max(item.id.0);
                self.items.insert(item.id, item);
            }
            Record::Tick(id, state) => {
                if let Some(item) = self.items.get_mut(&id) {
                    item.state = state;
                }
            }
            Record::Delete(id) => {
                self.items.remove(&id);
            }
            Record::Next(id) => self.next = self.next.max(id.0.saturating_sub(1)),
        }
    }

    /// The fewest records that make this list.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let next = Record::Next(self.next_id());
        std::iter::once(next).chain(self.items.values().cloned().map(Record::Add))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{State, Title};

    fn add(list: &mut List, title: &str) -> ItemId {
        let id = list.next_id();
        let title = Title::new(title).expect("a title");
        list.apply(Record::Add(Item { id, state: State::Open, added_secs: None, title }));
        id
    }

    #[test]
    fn a_list_is_what_its_records_make_and_gives_no_number_twice() {
        let mut list = List::default();
        let (milk, bread) = (add(&mut list, "milk"), add(&mut list, "bread"));
        list.apply(Record::Tick(milk, State::Done));
        list.apply(Record::Delete(bread));
        let mut again = List::default();
        list.records().for_each(|record| again.apply(record));
        assert_eq!(again, list);
        assert_eq!(add(&mut again, "tea"), ItemId(3));
    }

    #[test]
    fn what_is_not_there_and_what_is_too_much_is_refused() {
        let mut list = List::default();
        assert_eq!(list.check(&Record::Delete(ItemId(4))), Err(ListError::Missing(ItemId(4))));
        for at in 0..ITEMS_MAX {
            add(&mut list, &format!("thing {at}"));
        }
        let one_more = list.records().nth(1).expect("an item");
        assert_eq!(list.check(&one_more), Err(ListError::Full));
    }
}
