// What a schema asks for, in the terms of a form.

import { resolve, type Document, type Schema } from "../service/openapi.ts";
import type { Json } from "../service/types.ts";

export type Kind = "const" | "enum" | "union" | "string" | "number" | "integer" | "boolean" | "array" | "object" | "any" | "null";

/** A schema without references and without `allOf`. */
export interface Flat {
  schema: Schema;
  kind: Kind;
  nullable: boolean;
  /** The alternatives of a union. */
  variants: Schema[];
}

export type Fields = { [key: string]: Json };

export const isObject = (value: Json | undefined): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function flatten(document: Document, given: Schema): Flat {
  const schema = merged(document, given, 0);
  const types = [schema.type ?? []].flat();
  let nullable = schema.nullable === true || types.includes("null");
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) {
    const isNull = (choice: Schema): boolean => resolve(document, choice).type === "null";
    const variants = choices.filter((choice) => !isNull(choice));
    nullable ||= variants.length < choices.length;
    const [only] = variants;
    if (only && variants.length === 1) {
      const inner = flatten(document, only);
      return { ...inner, nullable: nullable || inner.nullable, schema: { ...inner.schema, ...beside(schema) } };
    }
    return { schema, kind: "union", nullable, variants: variants.map((variant) => withShared(schema, variant)) };
  }
  if (schema.const !== undefined) return { schema, kind: "const", nullable, variants: [] };
  if (schema.enum) return { schema, kind: "enum", nullable: nullable || schema.enum.includes(null), variants: [] };
  const wanted = types.filter((type) => type !== "null");
  if (wanted.length > 1) {
    return { schema, kind: "union", nullable, variants: wanted.map((type) => ({ ...schema, type, nullable: false, title: type })) };
  }
  return { schema, kind: kindOf(schema, wanted[0], types), nullable, variants: [] };
}

function kindOf(schema: Schema, type: string | undefined, types: string[]): Kind {
  switch (type) {
    case "string": case "number": case "integer": case "boolean": case "array": case "object":
      return type;
    default:
      if (schema.properties) return "object";
      if (schema.items) return "array";
      return types.includes("null") ? "null" : "any";
  }
}

/** What a schema says of the value as a whole. */
function beside({ title, description, default: preset }: Schema): Schema {
  return {
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(preset !== undefined && { default: preset }),
  };
}

/** An alternative with the properties that stand beside `oneOf`. */
function withShared(schema: Schema, variant: Schema): Schema {
  if (!schema.properties) return variant;
  const shared: Schema = { type: "object", properties: schema.properties };
  if (schema.required) shared.required = schema.required;
  return { ...(variant.title !== undefined && { title: variant.title }), allOf: [shared, variant] };
}

function merged(document: Document, given: Schema, depth: number): Schema {
  const { allOf, ...own } = resolve(document, given);
  if (!allOf || depth > 8) return own;
  return [...allOf.map((part) => merged(document, part, depth + 1)), own].reduce<Schema>((all, part) => {
    const sum: Schema = { ...all, ...part };
    if (all.properties || part.properties) sum.properties = { ...all.properties, ...part.properties };
    if (all.required || part.required) sum.required = [...new Set([...(all.required ?? []), ...(part.required ?? [])])];
    return sum;
  }, {});
}

/** The value that a field begins with when it has to have one. */
export function initial(document: Document, given: Schema, depth = 0): Json | undefined {
  const { schema, kind, nullable, variants } = flatten(document, given);
  if (schema.default !== undefined) return schema.default;
  if (kind === "const") return schema.const;
  if (nullable) return null;
  switch (kind) {
    case "enum": return schema.enum?.[0];
    case "string": return "";
    case "boolean": return false;
    case "array": {
      const items = typeof schema.items === "object" ? schema.items : {};
      const filled = Array.from({ length: Math.min(schema.minItems ?? 0, 20) }, () => initial(document, items, depth + 1) ?? null);
      return depth > 8 ? [] : filled;
    }
    case "object": return depth > 8 ? {} : Object.fromEntries(
      (schema.required ?? []).flatMap((name) => {
        const property = schema.properties?.[name];
        const value = property && initial(document, property, depth + 1);
        return value === undefined ? [] : [[name, value]];
      }));
    case "union": return variants[0] && initial(document, variants[0], depth + 1);
    default: return undefined;
  }
}

/** Whether `value` may be meant for this schema: enough to choose among the alternatives of a union. */
export function fits(document: Document, given: Schema, value: Json | undefined): boolean {
  const { schema, kind, nullable, variants } = flatten(document, given);
  if (value === null) return nullable || kind === "null" || kind === "any";
  switch (kind) {
    case "const": return value === schema.const;
    case "enum": return value !== undefined && (schema.enum ?? []).includes(value);
    case "union": return variants.some((variant) => fits(document, variant, value));
    case "any": return true;
    case "integer": return typeof value === "number" && Number.isInteger(value);
    case "array": return Array.isArray(value);
    case "object": {
      if (!isObject(value)) return false;
      if (!(schema.required ?? []).every((name) => name in value)) return false;
      return Object.entries(schema.properties ?? {}).every(([name, property]) => {
        const inner = flatten(document, property);
        return !(name in value) || inner.kind !== "const" || value[name] === inner.schema.const;
      });
    }
    default: return typeof value === kind;
  }
}

/** What an alternative is called: its title, what sets it apart, the name it is referred to by, or its type. */
export function variantName(document: Document, variant: Schema, number: number): string {
  const { schema, kind } = flatten(document, variant);
  if (schema.title) return schema.title;
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const constant = resolve(document, property).const;
    if (constant !== undefined) return `${name}: ${String(constant)}`;
  }
  return variant.$ref?.split("/").pop() ?? (kind === "object" ? `alternative ${number + 1}` : kind);
}

/** The rules of a value in words. */
export function rules(schema: Schema): string[] {
  const told: string[] = [];
  const range = (low: number | undefined, high: number | undefined, unit: string): void => {
    if (low !== undefined && high !== undefined) told.push(`${low} to ${high}${unit}`);
    else if (low !== undefined) told.push(`at least ${low}${unit}`);
    else if (high !== undefined) told.push(`at most ${high}${unit}`);
  };
  range(schema.minimum, schema.maximum, "");
  if (typeof schema.exclusiveMinimum === "number") told.push(`more than ${schema.exclusiveMinimum}`);
  if (typeof schema.exclusiveMaximum === "number") told.push(`less than ${schema.exclusiveMaximum}`);
  if (schema.multipleOf !== undefined) told.push(`a multiple of ${schema.multipleOf}`);
  range(schema.minLength, schema.maxLength, " characters");
  range(schema.minItems, schema.maxItems, " entries");
  if (schema.uniqueItems) told.push("no entry twice");
  if (schema.pattern) told.push(`matches ${schema.pattern}`);
  if (schema.format && !["int32", "int64", "float", "double"].includes(schema.format)) told.push(schema.format);
  if (schema.default !== undefined) told.push(`default ${JSON.stringify(schema.default)}`);
  return told;
}
