//! What `wit/` looks like from the host. Generated.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "core",
    imports: { default: trappable },
    exports: { default: async },
});
