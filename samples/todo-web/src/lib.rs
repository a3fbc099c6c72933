//! The web page of the to-do stack, and its JSON API: a `wasi:http` component.
//!
//! Every request is answered by an instance of its own, so nothing is kept in memory: the items
//! are in the task's `/tmp` or in the database, as the settings say.

mod database;
mod folder;
mod http;
mod page;
mod route;
mod settings;
mod storage;

use wasip2::http::types::{IncomingRequest, ResponseOutparam};

struct TodoWeb;

impl wasip2::exports::http::incoming_handler::Guest for TodoWeb {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let answer = match http::read(&request) {
            Ok(request) => route::answer(&request),
            Err(error) => http::Answer::text(error.status(), &error.to_string()),
        };
        http::send(out, &answer);
    }
}

wasip2::http::proxy::export!(TodoWeb);
