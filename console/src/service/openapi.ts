// The OpenAPI document of the service (3.0, 3.1 or 3.2): its operations and what their requests look like.

import type { Json } from "./types.ts";

export interface Schema {
  $ref?: string;
  type?: string | string[];
  title?: string;
  description?: string;
  format?: string;
  pattern?: string;
  enum?: Json[];
  const?: Json;
  default?: Json;
  example?: Json;
  examples?: Json[];
  nullable?: boolean;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema | boolean;
  prefixItems?: Schema[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number | boolean;
  exclusiveMaximum?: number | boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  readOnly?: boolean;
}

interface Reference {
  $ref?: string;
}

interface Example extends Reference {
  summary?: string;
  value?: Json;
}

export interface Media {
  schema?: Schema;
  example?: Json;
  examples?: Record<string, Example>;
}

export interface Parameter extends Reference {
  name: string;
  in: "path" | "query" | "header" | "cookie";
  description?: string;
  required?: boolean;
  schema?: Schema;
  example?: Json;
  examples?: Record<string, Example>;
}

export interface Body extends Reference {
  description?: string;
  required?: boolean;
  content?: Record<string, Media>;
}

interface Answer extends Reference {
  description?: string;
  content?: Record<string, Media>;
}

interface OperationObject {
  operationId: string;
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: (Parameter & Reference)[];
  requestBody?: Body;
  responses: Record<string, Answer>;
}

export interface Document {
  info: { title: string; version: string };
  paths: Record<string, Record<string, unknown>>;
  components?: Record<string, Record<string, unknown>>;
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  summary: string;
  description: string;
  tag: string;
  parameters: Parameter[];
  body: Body | undefined;
  /** By status; `default` is one. */
  answers: [string, Answer][];
  /** Whether the answer is a stream of events. */
  streams: boolean;
}

const METHODS = ["get", "post", "put", "patch", "delete"];

/** What a local reference names, or the node itself. Members beside the reference win. */
export function resolve<T extends object>(document: Document, node: T & Reference): T {
  let found = node;
  for (let hops = 0; found.$ref && hops < 20; hops++) {
    const { $ref, ...beside } = found;
    const target = $ref.slice(2).split("/").reduce<unknown>((at, key) => {
      const name = decodeURIComponent(key).replaceAll("~1", "/").replaceAll("~0", "~");
      return (at as Record<string, unknown> | undefined)?.[name];
    }, document);
    if (!target) break;
    found = { ...(target as T & Reference), ...beside } as T & Reference;
  }
  return found;
}

export function operations(document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => {
      const operation = item[method] as OperationObject;
      const shared = (item["parameters"] ?? []) as Parameter[];
      const answers = Object.entries(operation.responses).map(
        ([status, answer]): [string, Answer] => [status, resolve(document, answer)]);
      const good = answers.find(([status]) => status.startsWith("2"))?.[1].content ?? {};
      return {
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        summary: operation.summary ?? "",
        description: operation.description ?? "",
        tag: operation.tags?.[0] ?? "",
        parameters: [...shared, ...(operation.parameters ?? [])].map((parameter) => resolve(document, parameter)),
        body: operation.requestBody && resolve(document, operation.requestBody),
        answers,
        streams: "text/event-stream" in good,
      };
    }));
}

/** The first example of a media type or a parameter. */
export function exampleOf(document: Document, holder: Media): Json | undefined {
  if (holder.example !== undefined) return holder.example;
  for (const example of Object.values(holder.examples ?? {})) {
    const { value } = resolve(document, example);
    if (value !== undefined) return value;
  }
  const schema = holder.schema && resolve(document, holder.schema);
  return schema?.examples?.[0] ?? schema?.example;
}
