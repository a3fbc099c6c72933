//! What users may write, as tables. Numbers are those of semantics part 14.

mod jobs;
mod nodes;
mod objects;
mod services;
mod stacks;
mod swarm;
mod values;
