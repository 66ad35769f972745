//! The portal's page and files, as far as the Worker has to do with them.

use crate::app;
use crate::support::Reply;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; \
    img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

fn check_headers(path: &str, reply: &Reply, expected: &[(&str, &str)]) {
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    for (name, value) in expected {
        assert_eq!(reply.header(name), Some(*value), "{path}: {name}");
    }
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
    assert!(reply.header("x-request-id").is_some() && reply.header("set-cookie").is_none(), "{path}");
}

#[test]
fn every_address_of_the_portal_is_its_one_page() {
    let app = app().with_key("");
    let page = app.get("/").text;
    assert!(page.contains("<div id=\"app\""), "{page}");
    for path in [
        "/",
        "/?x=1",
        "/keys",
        "/keys/",
        "/use-cases",
        "/use-cases/",
        "/use-cases/Chat-Bot",
        "/use-cases/Chat-Bot/compare?by=version",
        "/use-cases/a%2Fb/%FF/..%2F",
    ] {
        let reply = app.get(path);
        let expected = [
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", POLICY),
            ("cache-control", "no-cache"),
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "DENY"),
        ];
        check_headers(path, &reply, &expected);
        assert_eq!(reply.text, page, "{path}");
        let head = app.send("HEAD", path, None, &[]);
        check_headers(path, &head, &expected);
        assert_eq!(head.text, "", "{path}");
        app.send("POST", path, None, &[]).refused(405, "method_not_allowed", "GET");
    }
}

/// What is named after its content is kept for good; the rest is asked for again some day.
#[test]
fn the_page_loads_its_files_from_here_only() {
    let app = app().with_key("");
    let page = app.get("/").text;
    let mut kinds = Vec::new();
    for attribute in ["src=\"", "href=\""] {
        for rest in page.split(attribute).skip(1) {
            let address = rest.split('"').next().unwrap();
            assert!(address.starts_with('/') && !address.starts_with("//"), "{address}");
            let media_type = match address.rsplit_once('.').map(|(_, end)| end) {
                Some("js") => "text/javascript; charset=utf-8",
                Some("css") => "text/css; charset=utf-8",
                Some("svg") => "image/svg+xml",
                _ => continue,
            };
            let kept = if address == "/portal/icon.svg" {
                "public, max-age=86400"
            } else {
                "public, max-age=31536000, immutable"
            };
            check_headers(
                address,
                &app.get(address),
                &[("content-type", media_type), ("cache-control", kept)],
            );
            kinds.push(media_type);
        }
    }
    assert!(
        kinds.contains(&"text/javascript; charset=utf-8") && kinds.contains(&"image/svg+xml"),
        "{kinds:?}"
    );
}

#[test]
fn what_is_no_file_of_the_portal_is_not_found() {
    let app = app().with_key("");
    for path in [
        "/portal",
        "/portal/",
        "/portal/index.html",
        "/portal/nothing-00000000.js",
        "/portal/icon.svg/",
        "/portal/docs/docs.js",
        "/portal/..%2Fopenapi.json",
        "/portal/icon.svg%00.js",
        "/portal/.js",
        "/portal/a b.js",
    ] {
        let reply = app.get(&path.replace(' ', "%20"));
        reply.refused(404, "not_found", "/portal");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
    }
    // These are no addresses of the portal.
    for path in ["/index.html", "/assets/index.js", "/keys/new", "/portal.html"] {
        app.get(path).refused(401, "invalid_api_key", "API key");
    }
}
