//! What users may write, as tables. Numbers are those of semantics part 14.

mod jobs;
mod objects;
mod services;
mod stacks;
