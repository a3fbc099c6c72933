//! What managers decide, as tables. Numbers are those of semantics part 14.

mod addresses;
mod enforcer;
mod everywhere;
mod fitting;
mod global_updates;
mod globals;
mod history;
mod jobs;
mod pace;
mod placing;
mod properties;
mod rebalancing;
mod replicas;
mod restarts;
mod rolling;
mod updates;
