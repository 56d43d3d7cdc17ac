//! What `wit/` looks like from the plugin. Generated.

wit_bindgen::generate!({ world: "core", path: "../../wit" });
