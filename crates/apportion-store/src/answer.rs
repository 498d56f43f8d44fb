//! The answer of a store, found again in its error.
//!
//! `object_store` keeps status and body of an answer in a type that nobody else can name. What it
//! writes of them has fixed words around it, so they are read where nothing else can stand: at the
//! start of a cause, behind the URL of a request, which has no blanks, and at the end of a refusal.

use std::error::Error as StdError;

use super::causes;

/// What a store answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status of the answer; none where only its text is an error.
    pub status: Option<u16>,
    /// Its code, such as `SlowDown`.
    pub code: Option<String>,
    /// What it says in words.
    pub message: Option<String>,
}

/// Words in front of an answer.
const STATUS: &str = "Server returned non-2xx status code: ";
const BODY: &str = "Server returned error response: ";
const REDIRECT: &str = "Received redirect without LOCATION";
/// Words in front of what was refused of many deletions.
const REFUSED: [&str; 2] = ["DeleteObjects request failed for key ", "Bulk delete request failed "];

/// The answer of the store that is below an error, if there was one.
#[must_use]
pub fn answer(error: &(dyn StdError + 'static)) -> Option<Answer> {
    causes(error).find_map(|cause| read(&cause.to_string()))
}

fn read(text: &str) -> Option<Answer> {
    if REFUSED.iter().any(|start| text.starts_with(start)) {
        let (_, code) = text.strip_suffix(')')?.rsplit_once("(code: ")?;
        let status = code.parse().ok();
        return Some(Answer { status, code: status.is_none().then(|| code.to_owned()), message: None });
    }
    // Where a library made one text of a request and its answer, the URL ends before ` - `.
    let said = match text.strip_prefix("Error performing ") {
        Some(request) => request.split_once(" - ")?.1,
        None => text,
    };
    if said.starts_with(REDIRECT) {
        return Some(Answer { status: Some(301), code: None, message: None });
    }
    let (status, body) = match said.strip_prefix(STATUS) {
        Some(rest) => {
            let (status, body) = rest.split_once(": ").unwrap_or((rest.trim_end_matches(':'), ""));
            (Some(status.split(' ').next()?.parse().ok()?), body)
        }
        None => (None, said.strip_prefix(BODY)?),
    };
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(inside, _)| inside.to_owned())
    };
    Some(Answer { status, code: element("Code"), message: element("Message") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(text: &str) -> Option<(Option<u16>, Option<String>)> {
        read(text).map(|answer| (answer.status, answer.code))
    }

    #[test]
    fn an_answer_is_read_where_only_it_can_stand() {
        let slow = "Server returned non-2xx status code: 503 Service Unavailable: <Error><Code>SlowDown</Code></Error>";
        let code = |code: &str| Some(code.to_owned());
        assert_eq!(read_as(slow), Some((Some(503), code("SlowDown"))));
        assert_eq!(read_as(&format!("Error performing GET http://h/b/a%20-%20b in 1s - {slow}")), read_as(slow));
        assert_eq!(read_as("Server returned non-2xx status code: 429 Too Many Requests: "), Some((Some(429), None)));
        assert_eq!(
            read_as("Server returned error response: <Error><Code>InternalError</Code></Error>"),
            Some((None, code("InternalError")))
        );
        assert_eq!(
            read_as("DeleteObjects request failed for key a (code: SlowDown): denied (code: AccessDenied)"),
            Some((None, code("AccessDenied")))
        );
        assert_eq!(read_as("Received redirect without LOCATION, this"), Some((Some(301), None)));
    }

    #[test]
    fn the_name_of_an_object_is_no_answer() {
        for text in [
            "Object at location a/503/SlowDown/part-00429 not found: nothing",
            "unable to open /data/Server returned non-2xx status code: 503/x",
            "Error performing GET http://h/b/part-00503.parquet?x=429 in 1s - HTTP error: connection closed",
            "Server returned non-2xx status code: none",
        ] {
            assert_eq!(read_as(text), None, "{text}");
        }
    }
}
