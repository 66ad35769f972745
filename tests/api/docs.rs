//! The OpenAPI document, and the page that shows it.

use std::path::Path;

use crate::app;

#[test]
fn the_document_and_its_page_need_no_key() {
    let app = app().with_key("");
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("public/openapi.json");
    let document = app.get("/openapi.json");
    assert_eq!(document.status, 200);
    assert_eq!(document.header("content-type"), Some("application/json"));
    assert_eq!(document.text, std::fs::read_to_string(committed).unwrap());
    assert!(document.header("x-request-id").is_some());
    for path in ["/docs", "/docs/"] {
        let page = app.get(path);
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{path}"
        );
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("eval"), "{policy}");
    }
    app.get("/docs/nothing.js").refused(404, "not_found", "nothing.js");
    app.get("/docs/../wrangler.toml").refused(401, "invalid_api_key", "key");
    app.send("POST", "/docs", None, &[]).refused(405, "method_not_allowed", "GET");
}

/// Every address in the page, and in what it loads at once, is the service's own.
#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let app = app();
    let page = app.get("/docs").text;
    let mut files = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in page.split(attribute).skip(1) {
            let address = rest.split('"').next().unwrap();
            assert!(address.starts_with('/') && !address.starts_with("//"), "{address}");
            if address.ends_with(".js") || address.ends_with(".css") {
                assert_eq!(app.get(address).status, 200, "{address}");
                files += 1;
            }
        }
    }
    assert_eq!(files, 3);
    let styles = app.get("/docs/swagger-ui.css").text;
    assert!(!styles.contains("url(http") && !styles.contains("url(//") && !styles.contains("@import"));
}
