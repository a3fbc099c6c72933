//! `todo-db:2.0`: keeps the time an item was added, and takes over what release 1 stored.

use std::process::ExitCode;

use todo_db::Release;

fn main() -> ExitCode {
    todo_db::run(Release::TWO)
}
