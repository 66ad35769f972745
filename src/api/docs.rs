//! `/openapi.json`, and `/docs`: the same as a readable page. Both are static files of the deployment (`public/`, and the viewer's
//! package); they pass through here for the headers that every answer has, and for those of a page.

use worker::Env;

use super::answer::Answer;
use crate::config::ASSETS_BINDING;
use crate::domain::refusal::{Code, Refusal, shown};

const DOCUMENT: &str = "/openapi.json";
const PAGE: &str = "/docs";

/// Everything from this service: nothing of the page comes from elsewhere, and nothing is sent elsewhere. The viewer sets styles
/// in elements, and draws with images in `data:` addresses.
const PAGE_HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    CACHED,
];

const FILE_HEADERS: &[(&str, &str)] = &[("x-content-type-options", "nosniff"), CACHED];

/// A new version is seen after five minutes.
const CACHED: (&str, &str) = ("cache-control", "public, max-age=300");

/// The file at a path, `not_found` if there is none.
pub async fn serve(env: &Env, path: &str) -> Result<Answer, Refusal> {
    let (file, media_type) = file_of(path).ok_or_else(|| missing(path))?;
    let assets = env.assets(ASSETS_BINDING).map_err(|_| missing(path))?;
    // The host is of no meaning: only the deployment's own files are asked.
    let response =
        assets.fetch(format!("https://assets.local{file}"), None).await.map_err(|_| missing(path))?;
    if response.status_code() != 200 {
        return Err(missing(path));
    }
    let headers = if media_type == HTML { PAGE_HEADERS } else { FILE_HEADERS };
    Ok(Answer::asset(response.into_parts().1, media_type, headers))
}

const HTML: &str = "text/html; charset=utf-8";

/// The file that is meant, as it is named in the deployment, and its media type.
fn file_of(path: &str) -> Option<(&str, &'static str)> {
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    if trimmed == DOCUMENT {
        return Some((DOCUMENT, "application/json"));
    }
    if trimmed == PAGE {
        return Some(("/docs/", HTML));
    }
    let name = path.strip_prefix("/docs/")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let media_type = match name.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "png" => "image/png",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    };
    name.bytes().all(plain).then_some((path, media_type))
}

fn missing(path: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no {} in this deployment", shown(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_documentation_are_asked_for() {
        assert_eq!(file_of("/docs"), Some(("/docs/", HTML)));
        assert_eq!(file_of("/docs/"), Some(("/docs/", HTML)));
        assert_eq!(file_of("/docs/docs.js"), Some(("/docs/docs.js", "text/javascript; charset=utf-8")));
        assert_eq!(file_of("/openapi.json"), Some(("/openapi.json", "application/json")));
        for other in [
            "/docs/index.html",
            "/docs/a/b.js",
            "/docs/%2e%2e/x.js",
            "/docs/../x.js",
            "/docs/none",
            "/index.js",
        ] {
            assert_eq!(file_of(other), None, "{other}");
        }
    }
}
