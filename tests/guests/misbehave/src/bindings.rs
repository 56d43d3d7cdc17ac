//! What `wit/` looks like from the plugin, WASI included. Generated.

wit_bindgen::generate!({ world: "plugin", path: "../../../wit", generate_all });
