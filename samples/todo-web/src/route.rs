//! Which request does what. Forms are answered with "look at the page", programs with JSON.

use todo_items::{Item, ItemId, State, Title};

use crate::http::{Answer, Origin, Request};
use crate::page;
use crate::storage::{Change, Storage, StorageError};

/// Where programs find the items.
const API: &str = "/api/items";

/// Answers a request.
pub(crate) fn answer(request: &Request) -> Answer {
    if request.method != "GET" && request.origin == Origin::Foreign {
        return Answer::text(403, "a page of another site may not change the list");
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => show(),
        ("GET", API) => api_list(),
        ("POST", API) => api_result(api_add(&request.body)),
        ("POST", "/add" | "/tick" | "/delete") => form(request),
        ("PATCH" | "DELETE", path) if path.starts_with(API) => api_result(api_change(request)),
        (_, "/" | API | "/add" | "/tick" | "/delete") => {
            Answer::text(405, &format!("{} is not for {}", request.path, request.method))
        }
        _ => Answer::text(404, "there is nothing here; the list is at /"),
    }
}

/// The task that answers, if the stack tells it.
fn task() -> String {
    std::env::var("TASK").unwrap_or_else(|_| "a task without a name".to_owned())
}

fn show() -> Answer {
    let found = Storage::open().and_then(|mut storage| Ok((storage.items()?, storage.name())));
    match found {
        Ok((items, storage)) => {
            Answer::html(200, page::list(&items, &page::Place { task: &task(), storage: &storage }))
        }
        Err(error) => problem(error.status(), &error.to_string()),
    }
}

fn problem(status: u16, why: &str) -> Answer {
    Answer::html(status, page::problem(why, &task()))
}

fn form(request: &Request) -> Answer {
    let change = match form_change(request) {
        Ok(change) => change,
        Err(why) => return problem(400, &why),
    };
    match Storage::open().and_then(|mut storage| storage.change(change)) {
        // Deleted twice, or ticked after it was deleted elsewhere: the page shows what there is.
        Ok(_) | Err(StorageError::Missing(_)) => Answer::see("/"),
        Err(error) => problem(error.status(), &error.to_string()),
    }
}

fn form_change(request: &Request) -> Result<Change, String> {
    let fields = form_fields(&request.body);
    let field = |name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str()).ok_or(format!("the form has no field `{name}`"))
    };
    let id = || -> Result<ItemId, String> {
        field("id")?.parse().map_err(|_| "the form's `id` is not a number".to_owned())
    };
    match request.path.as_str() {
        "/add" => Title::new(field("title")?).map(Change::Add).map_err(|error| error.to_string()),
        "/tick" => {
            let state = State::from_word(field("state")?).ok_or("`state` is `open` or `done`")?;
            Ok(Change::Tick(id()?, state))
        }
        _ => Ok(Change::Delete(id()?)),
    }
}

fn api_list() -> Answer {
    let found = Storage::open().and_then(|mut storage| Ok((storage.items()?, storage.name())));
    api_result(found.map_err(Refused::from).map(|(items, storage)| {
        let items: Vec<_> = items.iter().map(json).collect();
        Answer::json(
            200,
            &serde_json::json!({ "task": task(), "storage": storage, "items": items }),
        )
    }))
}

fn api_add(body: &[u8]) -> Result<Answer, Refused> {
    #[derive(serde::Deserialize)]
    struct New {
        title: String,
    }
    let new: New = serde_json::from_slice(body).map_err(Refused::bad)?;
    let title = Title::new(&new.title).map_err(Refused::bad)?;
    let text = title.as_str().to_owned();
    let id = Storage::open()?.change(Change::Add(title))?;
    let id = id.map(|id| id.0);
    Ok(Answer::json(201, &serde_json::json!({ "id": id, "title": text, "done": false })))
}

fn api_change(request: &Request) -> Result<Answer, Refused> {
    #[derive(serde::Deserialize)]
    struct Tick {
        done: bool,
    }
    let id = request.path.strip_prefix(API).and_then(|rest| rest.strip_prefix('/'));
    let id: ItemId = id
        .unwrap_or_default()
        .parse()
        .map_err(|_| Refused { status: 404, why: format!("`{}` names no item", request.path) })?;
    let change = if request.method == "DELETE" {
        Change::Delete(id)
    } else {
        let tick: Tick = serde_json::from_slice(&request.body).map_err(Refused::bad)?;
        Change::Tick(id, if tick.done { State::Done } else { State::Open })
    };
    Storage::open()?.change(change)?;
    Ok(Answer { status: 204, headers: Vec::new(), body: String::new() })
}

/// What a program is told when nothing happened.
struct Refused {
    status: u16,
    why: String,
}

impl Refused {
    fn bad(why: impl ToString) -> Self {
        Self { status: 400, why: why.to_string() }
    }
}

impl From<StorageError> for Refused {
    fn from(error: StorageError) -> Self {
        Self { status: error.status(), why: error.to_string() }
    }
}

fn api_result(result: Result<Answer, Refused>) -> Answer {
    result.unwrap_or_else(|refused| {
        Answer::json(refused.status, &serde_json::json!({ "error": refused.why, "task": task() }))
    })
}

fn json(item: &Item) -> serde_json::Value {
    serde_json::json!({
        "id": item.id.0,
        "title": item.title.as_str(),
        "done": item.state == State::Done,
        "added": item.added_secs,
    })
}

/// The fields of a form as browsers send it, `application/x-www-form-urlencoded`.
fn form_fields(body: &[u8]) -> Vec<(String, String)> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            (form_text(&pair[..at]), form_text(pair.get(at + 1..).unwrap_or_default()))
        })
        .collect()
}

fn form_text(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        let digit = |at: usize| behind.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                text.push((high * 16 + low) as u8);
                rest = &behind[2..];
            }
            (b'+', ..) => text.push(b' '),
            (byte, ..) => text.push(*byte),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_browsers_write_them() {
        let fields = form_fields("title=2+%C3%84pfel+%26+1%25+%+x&id=7&&empty=&bare".as_bytes());
        let pairs: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let title = ("title", "2 Äpfel & 1% % x");
        assert_eq!(pairs, [title, ("id", "7"), ("empty", ""), ("bare", "")]);
    }

    fn status(method: &str, path: &str, body: &str, origin: Origin) -> u16 {
        let (method, path, body) = (method.to_owned(), path.to_owned(), body.as_bytes().to_vec());
        answer(&Request { method, path, body, origin }).status
    }

    #[test]
    fn what_is_not_understood_is_refused_before_any_item_is_touched() {
        assert_eq!(status("POST", "/add", "title=x", Origin::Foreign), 403);
        assert_eq!(status("POST", "/add", "title=+", Origin::Own), 400);
        assert_eq!(status("POST", "/tick", "id=1&state=maybe", Origin::Own), 400);
        assert_eq!(status("POST", "/api/items", "{}", Origin::Own), 400);
        assert_eq!(status("DELETE", "/api/items/x", "", Origin::Own), 404);
        assert_eq!(status("PUT", "/", "", Origin::Own), 405);
        assert_eq!(status("GET", "/nothing", "", Origin::Own), 404);
    }
}
