//! What `wit/` looks like from the host. Generated.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "core",
    imports: { "trialbridge:plugin/commands.run": async | trappable, default: trappable },
    exports: { default: async },
});
