export default {
  service: {
    input: "openapi.json",
    output: {
      target: "client.ts",
      client: "fetch",
      override: { mutator: { path: "./orval-fetch.ts", name: "callService" } },
    },
  },
};
