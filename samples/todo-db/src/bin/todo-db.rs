//! `todo-db:1.0`.

use std::process::ExitCode;

use todo_db::Release;

fn main() -> ExitCode {
    todo_db::run(Release::ONE)
}
