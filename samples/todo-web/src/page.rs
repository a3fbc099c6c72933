//! The page: HTML from items, with its style inside. What users wrote is escaped, always.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use todo_items::{Item, State, TITLE_CHARS_MAX};

const STYLE: &str = include_str!("page.css");

/// Where the list comes from, shown below it.
pub(crate) struct Place<'a> {
    /// The task that answers.
    pub(crate) task: &'a str,
    /// Where the items are.
    pub(crate) storage: &'a str,
}

/// The list.
pub(crate) fn list(items: &[Item], place: &Place<'_>) -> String {
    let done = items.iter().filter(|item| item.state == State::Done).count();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let count = match (items.len(), done) {
        (0, _) => "Nothing to do yet.".to_owned(),
        (all, done) if all == done => "All done.".to_owned(),
        (all, done) => format!("{done} of {all} done"),
    };
    let mut body = format!(
        "<header><h1>To do</h1><p>{count}</p></header>\
         <form class=\"add\" method=\"post\" action=\"/add\">\
         <input name=\"title\" placeholder=\"What is to be done?\" aria-label=\"New item\" \
         maxlength=\"{TITLE_CHARS_MAX}\" autocomplete=\"off\" enterkeyhint=\"done\" required>\
         <button>Add</button></form>"
    );
    if !items.is_empty() {
        body += "<ul>";
        // What is open first; the order within is that of adding.
        let of = |state| items.iter().filter(move |item| item.state == state);
        of(State::Open).chain(of(State::Done)).for_each(|item| write_item(&mut body, item, now));
        body += "</ul>";
    }
    let (task, storage) = (escape(place.task), escape(place.storage));
    body += &format!(
        "<footer><p>Answered by <b>{task}</b></p><p>Items are in <b>{storage}</b></p></footer>"
    );
    frame(&body)
}

/// Why there is no list.
pub(crate) fn problem(why: &str, task: &str) -> String {
    frame(&format!(
        "<header><h1>To do</h1></header>\
         <section class=\"problem\"><h2>That did not work</h2><p>{}</p>\
         <p><a href=\"/\">Back to the list</a></p></section>\
         <footer><p>Answered by <b>{}</b></p></footer>",
        escape(why),
        escape(task)
    ))
}

fn frame(body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>To do</title>\
         <link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>\n"
    )
}

fn write_item(body: &mut String, item: &Item, now_secs: u64) {
    let (id, title) = (item.id, escape(item.title.as_str()));
    let (class, other, act) = match item.state {
        State::Open => ("open", State::Done, "Tick off"),
        State::Done => ("done", State::Open, "Still to do:"),
    };
    let added = item.added_secs.map_or_else(String::new, |secs| {
        format!("<small>{}</small>", ago(now_secs.saturating_sub(secs)))
    });
    // Writing to a String cannot fail.
    let _ = write!(
        body,
        "<li class=\"{class}\"><form method=\"post\" action=\"/tick\">\
         <input type=\"hidden\" name=\"id\" value=\"{id}\">\
         <input type=\"hidden\" name=\"state\" value=\"{}\">\
         <button class=\"tick\" aria-label=\"{act} {title}\"></button></form>\
         <p><span>{title}</span>{added}</p><form method=\"post\" action=\"/delete\">\
         <input type=\"hidden\" name=\"id\" value=\"{id}\">\
         <button class=\"delete\" aria-label=\"Delete {title}\">&times;</button></form></li>",
        other.word()
    );
}

fn ago(secs: u64) -> String {
    match secs {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", secs / 60),
        3600..86_400 => format!("{} h ago", secs / 3600),
        _ => format!("{} d ago", secs / 86_400),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use todo_items::{ItemId, Title};

    #[test]
    fn what_users_wrote_never_becomes_markup() {
        let title = Title::new("<script>alert('\"&')</script>").expect("a title");
        let item = Item { id: ItemId(1), state: State::Open, added_secs: Some(0), title };
        let page = list(&[item], &Place { task: "<t>", storage: "\"s\"" });
        assert!(!page.contains("<script") && !page.contains("<t>"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;&quot;&amp;&#39;)"), "{page}");
    }

    #[test]
    fn times_are_told_roughly() {
        let told = [59, 60, 7200, 200_000].map(ago);
        assert_eq!(told, ["just now", "1 min ago", "2 h ago", "2 d ago"]);
    }
}
