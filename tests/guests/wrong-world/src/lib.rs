//! A sound component that is no plugin: it exports something, but no handler. Loading it must fail with a message that
//! says so.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package tests:wrong-world;

            world wrong-world {
                export answer: func() -> u32;
            }
        ",
    });
}

/// What is exported.
pub struct WrongWorld;

impl bindings::Guest for WrongWorld {
    fn answer() -> u32 {
        42
    }
}

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the generated exports speak the ABI of components")]
mod exports {
    use super::{WrongWorld, bindings};

    bindings::export!(WrongWorld with_types_in bindings);
}
