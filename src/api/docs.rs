//! The static files of the deployment: the portal, `/openapi.json`, and `/docs`, which is the same as a readable page. They pass
//! through here for the headers that every answer has, and for those of a page. `scripts/build.sh` puts them together.

use worker::Env;

use super::answer::Answer;
use super::routes::Action;
use crate::config::ASSETS_BINDING;
use crate::domain::refusal::{Code, Refusal, shown};

type Headers = &'static [(&'static str, &'static str)];

const NOSNIFF: (&str, &str) = ("x-content-type-options", "nosniff");

/// Everything from this service: nothing of the page comes from elsewhere, and nothing is sent elsewhere. The viewer sets styles
/// in elements, and draws with images in `data:` addresses.
const PAGE_HEADERS: Headers = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    NOSNIFF,
    ("referrer-policy", "no-referrer"),
    CACHED,
];

const FILE_HEADERS: Headers = &[NOSNIFF, CACHED];

/// A new version is seen after five minutes.
const CACHED: (&str, &str) = ("cache-control", "public, max-age=300");

/// The same for the portal. Its charts set the style of single elements (attributes, no style sheets) and are saved as images. A
/// new version is seen at once: the page names the files of its own version.
const PORTAL_HEADERS: Headers = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data: blob:; \
         font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    NOSNIFF,
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-cache"),
];

/// A file whose name changes with what it holds.
const HASHED_HEADERS: Headers = &[NOSNIFF, ("cache-control", "public, max-age=31536000, immutable")];

const UNHASHED_HEADERS: Headers = &[NOSNIFF, ("cache-control", "public, max-age=86400")];

/// The file at a path, `not_found` if there is none.
pub async fn serve(env: &Env, action: Action, path: &str) -> Result<Answer, Refusal> {
    let File { name, media_type, headers } = file_of(action, path).ok_or_else(|| missing(path))?;
    let assets = env.assets(ASSETS_BINDING).map_err(|_| missing(path))?;
    // The host is of no meaning: only the deployment's own files are asked.
    let response =
        assets.fetch(format!("https://assets.local{name}"), None).await.map_err(|_| missing(path))?;
    if response.status_code() != 200 {
        return Err(missing(path));
    }
    Ok(Answer::asset(response.into_parts().1, media_type, headers))
}

const HTML: &str = "text/html; charset=utf-8";

/// A file as it is asked of the deployment.
#[derive(Debug, PartialEq, Eq)]
struct File<'a> {
    name: &'a str,
    media_type: &'static str,
    headers: Headers,
}

/// The file that is meant.
fn file_of(action: Action, path: &str) -> Option<File<'_>> {
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    match action {
        Action::OpenApi => {
            Some(File { name: "/openapi.json", media_type: "application/json", headers: FILE_HEADERS })
        }
        Action::Docs if trimmed == "/docs" => {
            Some(File { name: "/docs/", media_type: HTML, headers: PAGE_HEADERS })
        }
        Action::Docs => {
            let media_type = media_type_of(path.strip_prefix("/docs/")?)?;
            Some(File { name: path, media_type, headers: FILE_HEADERS })
        }
        // One page, which reads its address itself.
        Action::Portal => Some(File { name: "/", media_type: HTML, headers: PORTAL_HEADERS }),
        Action::PortalFile => {
            let file = path.strip_prefix("/portal/")?;
            let headers = if is_hashed(file) { HASHED_HEADERS } else { UNHASHED_HEADERS };
            Some(File { name: path, media_type: media_type_of(file)?, headers })
        }
        _ => None,
    }
}

/// By the file's name, which has nothing in it that a path could mean anything by.
fn media_type_of(file: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let media_type = match file.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        _ => return None,
    };
    file.bytes().all(plain).then_some(media_type)
}

/// `index-Bq3_x9Zk.js`: a hyphen and 8 characters of Base64, before what says the kind. A word (`icon-maskable.svg`) is none.
fn is_hashed(file: &str) -> bool {
    const HASH_CHARS: usize = 8;
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let hash = stem.len().checked_sub(HASH_CHARS + 1).and_then(|at| stem.get(at..)?.strip_prefix('-'));
    hash.is_some_and(|hash| hash.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()))
}

fn missing(path: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no {} in this deployment", shown(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_documentation_are_asked_for() {
        let found = |path| file_of(Action::Docs, path).map(|file| (file.name, file.media_type));
        assert_eq!(found("/docs"), Some(("/docs/", HTML)));
        assert_eq!(found("/docs/"), Some(("/docs/", HTML)));
        assert_eq!(found("/docs/docs.js"), Some(("/docs/docs.js", "text/javascript; charset=utf-8")));
        let document = file_of(Action::OpenApi, "/openapi.json").unwrap();
        assert_eq!((document.name, document.media_type), ("/openapi.json", "application/json"));
        for other in [
            "/docs/index.html",
            "/docs/a/b.js",
            "/docs/%2e%2e/x.js",
            "/docs/../x.js",
            "/docs/none",
            "/index.js",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn only_files_of_the_portal_are_asked_for() {
        for page in ["/", "/keys", "/use-cases/Chat-Bot/compare", "/use-cases/../x"] {
            let file = File { name: "/", media_type: HTML, headers: PORTAL_HEADERS };
            assert_eq!(file_of(Action::Portal, page), Some(file), "{page}");
        }
        let found = |path| file_of(Action::PortalFile, path).map(|file| (file.name, file.media_type));
        assert_eq!(found("/portal/icon.svg"), Some(("/portal/icon.svg", "image/svg+xml")));
        for other in [
            "/portal",
            "/portal/",
            "/portal/index.html",
            "/portal/a/b.js",
            "/portal/a%2Fb.js",
            "/portal/x.js/",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn what_has_a_hash_in_its_name_may_be_kept_for_good() {
        for hashed in ["index-Bq3_x9Zk.js", "charts-a-b-C_dE-f_g.css", "x-0aaaaaaa.svg"] {
            assert!(is_hashed(hashed), "{hashed}");
        }
        for other in
            ["icon.svg", "icon-maskable.svg", "theme.js", "icon-192x192.png", "Bq3_x9Zk.js", "-.js", "x"]
        {
            assert!(!is_hashed(other), "{other}");
        }
    }
}
