// What `make client` generates from the service's OpenAPI document: types, and a function for each operation.
export default {
  input: "openapi.json",
  output: { path: "src/generated", module: { extension: ".js" } },
  plugins: [{ name: "@hey-api/client-fetch", throwOnError: true }, "@hey-api/typescript", "@hey-api/sdk"],
};
