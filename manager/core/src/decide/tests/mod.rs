//! What managers decide, as tables. Numbers are those of semantics part 14.

mod addresses;
mod amid;
mod enforcer;
mod everywhere;
mod faults;
mod fitting;
mod global_updates;
mod globals;
mod history;
mod jobs;
mod order;
mod pace;
mod placing;
mod properties;
mod rebalancing;
mod replicas;
mod restarts;
mod rollback;
mod rolling;
mod updates;
