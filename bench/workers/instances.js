// Keeps the WebAssembly instances that are made after it.
const { Instance } = WebAssembly;
globalThis.instances = [];
WebAssembly.Instance = class extends Instance {
  constructor(...parameters) {
    super(...parameters);
    globalThis.instances.push(this);
  }
};
