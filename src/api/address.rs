//! What a request asks for: path and query of its URL, as the platform's parser of URLs reads them. The `url` crate reads the
//! same, but comes with the tables of all international host names.

use wasm_bindgen::prelude::*;
use worker::Request;

#[wasm_bindgen]
extern "C" {
    type URL;

    #[wasm_bindgen(constructor, catch)]
    fn new(text: &str) -> Result<URL, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn pathname(url: &URL) -> String;

    #[wasm_bindgen(method, getter)]
    fn search(url: &URL) -> String;
}

#[derive(Debug)]
pub struct Address {
    /// Percent-encoded as it was sent.
    pub path: String,
    /// Without the question mark; empty if there is none.
    pub query: String,
}

impl Address {
    pub fn of(request: &Request) -> worker::Result<Self> {
        let url = URL::new(&request.inner().url())?;
        let search = url.search();
        Ok(Self {
            path: url.pathname(),
            query: search.strip_prefix('?').map(str::to_owned).unwrap_or_default(),
        })
    }
}
