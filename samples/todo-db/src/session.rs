//! What the database answers to a line, without any connection in sight.

use todo_items::{Command, Item, Record, Refusal, State, item_line};

use crate::{Log, LogError, Release};

/// The log, and who may speak to it.
#[derive(Debug)]
pub struct Database {
    log: Log,
    release: Release,
    password: Option<String>,
}

/// What is known of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Client {
    /// It has not said the password.
    #[default]
    Unknown,
    /// It has.
    Known,
}

impl Database {
    /// A database on that log. Without a password it refuses everybody.
    pub fn new(log: Log, release: Release, password: Option<String>) -> Self {
        Self { log, release, password }
    }

    /// Answers one line. The answer may leave only after [`Self::sync`].
    pub(crate) fn answer(&mut self, line: &str, client: &mut Client) -> Result<String, LogError> {
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(why) => return Ok(refuse(Refusal::Bad, &why)),
        };
        let Some(password) = &self.password else {
            let why = "the database has no password yet: give it its secret";
            return Ok(refuse(Refusal::NoPassword, why));
        };
        if let Command::Auth(said) = &command {
            if !same(said.as_bytes(), password.as_bytes()) {
                return Ok(refuse(Refusal::Auth, "the password is wrong"));
            }
            *client = Client::Known;
            return Ok("ok\n".to_owned());
        }
        if *client == Client::Unknown {
            return Ok(refuse(Refusal::Auth, "say the password first: auth PASSWORD"));
        }
        self.obey(command)
    }

    /// Brings all that was answered to the disk.
    pub(crate) fn sync(&mut self) -> Result<(), LogError> {
        self.log.sync()
    }

    fn obey(&mut self, command: Command) -> Result<String, LogError> {
        match command {
            Command::Auth(_) => Ok("ok\n".to_owned()),
            Command::Version => Ok(format!("ok todo-db {}\n", self.release.name)),
            Command::List => {
                let items = self.log.list().items();
                let mut answer = format!("ok {}\n", items.len());
                items.for_each(|item| answer += &item_line(item));
                Ok(answer)
            }
            Command::Add(title) => {
                let id = self.log.list().next_id();
                let added_secs = self.release.now_secs();
                let item = Item { id, state: State::Open, added_secs, title };
                self.change(Record::Add(item), &format!("ok {id}\n"))
            }
            Command::Tick(id, state) => self.change(Record::Tick(id, state), "ok\n"),
            Command::Delete(id) => self.change(Record::Delete(id), "ok\n"),
        }
    }

    fn change(&mut self, record: Record, ok: &str) -> Result<String, LogError> {
        use todo_items::ListError::{Full, Missing};
        match self.log.append(record) {
            Ok(()) => Ok(ok.to_owned()),
            Err(LogError::Refused(error)) => {
                let refusal = match error {
                    Full => Refusal::Full,
                    Missing(_) => Refusal::Missing,
                };
                Ok(refuse(refusal, &error.to_string()))
            }
            Err(error @ LogError::NotWritten(_)) => Ok(refuse(Refusal::Full, &error.to_string())),
            Err(error) => Err(error),
        }
    }
}

fn refuse(refusal: Refusal, why: &str) -> String {
    format!("error {} {why}\n", refusal.word())
}

/// Whether they are equal, in a time that does not tell how far they are.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |bits, (l, r)| bits | (l ^ r)) == 0
}
