//! As little of an HTTP server as the scripts need: one request per connection, and answers that can get lost.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[derive(Clone, Debug)]
pub struct Request {
    /// Method and path, without query.
    pub line: String,
    pub query: String,
    pub body: Value,
}

/// `None` closes the connection without a word. A body with `retryAfter` asks for an hour of patience.
pub type Answer = Option<(u16, Value)>;

/// Serves each connection with `answer` until the runtime ends; gives the address.
pub async fn serve<F>(answer: impl Fn(Request) -> F + Clone + Send + 'static) -> String
where
    F: Future<Output = Answer> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                if let Some(request) = read(&mut stream).await
                    && let Some((status, body)) = answer(request).await
                {
                    let body = if body.is_null() { String::new() } else { body.to_string() };
                    let patience = if body.contains("retryAfter") { "\r\nRetry-After: 3600" } else { "" };
                    let head =
                        format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: application/json{patience}");
                    let text = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    let _ = stream.write_all(text.as_bytes()).await;
                }
            });
        }
    });
    url
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut text = String::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(request(head, body));
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => text.push_str(&String::from_utf8_lossy(&buffer[..n])),
        }
    }
}

fn request(head: &str, body: &str) -> Request {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        line: format!("{method} {path}"),
        query: query.to_owned(),
        body: serde_json::from_str(body).unwrap_or_default(),
    }
}
