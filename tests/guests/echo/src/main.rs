//! A TCP echo server: `echo [PORT]`, 7 by default, on all of the task's addresses.
//!
//! It serves one connection after the other and ends when its listener is closed, which is how
//! a task is told to stop.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

const PORT_DEFAULT: u16 = 7;

fn main() -> io::Result<()> {
    let port = match std::env::args().nth(1) {
        Some(text) => text.parse().map_err(io::Error::other)?,
        None => PORT_DEFAULT,
    };
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    println!("echo listens on {}", listener.local_addr()?);
    loop {
        match listener.accept() {
            // A client that goes away in the middle is its own loss.
            Ok((stream, peer)) => match echo(stream) {
                Ok(bytes) => println!("{bytes} bytes for {peer}"),
                Err(error) => println!("{peer}: {error}"),
            },
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {
                println!("echo was told to stop");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

fn echo(mut stream: TcpStream) -> io::Result<usize> {
    let mut buffer = [0; 8192];
    let mut total = 0;
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(total);
        }
        stream.write_all(&buffer[..read])?;
        total += read;
    }
}
