// A schema for readers: its members with their types and rules.

import type { Document, Schema } from "../service/openapi.ts";
import { flatten, rules, variantName } from "./schema-kinds.ts";

const DEEPEST = 6;

export function SchemaMembers({ document, schema, depth = 0 }: { document: Document; schema: Schema; depth?: number }) {
  const flat = flatten(document, schema);
  const { properties = {}, required = [], items } = flat.schema;
  if (depth > DEEPEST) return null;
  if (flat.kind === "array" && typeof items === "object") return <SchemaMembers document={document} schema={items} depth={depth + 1} />;
  if (flat.kind === "union") {
    return (
      <ul class="members">
        {flat.variants.map((variant, n) => (
          <li key={n}>
            <span class="name">{variantName(document, variant, n)}</span>
            <SchemaMembers document={document} schema={variant} depth={depth + 1} />
          </li>
        ))}
      </ul>
    );
  }
  const entries = Object.entries(properties);
  if (entries.length === 0) return depth === 0 ? <p><span class="type">{typeOf(document, schema)}</span> {flat.schema.description}</p> : null;
  return (
    <ul class="members">
      {entries.map(([name, property]) => {
        const inner = flatten(document, property);
        return (
          <li key={name}>
            <code class="name">{name}</code> <span class="type">{typeOf(document, property)}</span>
            {required.includes(name) && <span class="required"> required</span>}
            {inner.schema.description && <p class="soft">{inner.schema.description}</p>}
            {rules(inner.schema).map((rule) => <span key={rule} class="rule">{rule}</span>)}
            <SchemaMembers document={document} schema={property} depth={depth + 1} />
          </li>
        );
      })}
    </ul>
  );
}

function typeOf(document: Document, schema: Schema): string {
  const { kind, nullable, schema: flat } = flatten(document, schema);
  const name = (): string => {
    switch (kind) {
      case "const": return JSON.stringify(flat.const);
      case "enum": return (flat.enum ?? []).map((value) => JSON.stringify(value)).join(" or ");
      case "union": return "one of several";
      case "array": return `array of ${typeof flat.items === "object" ? typeOf(document, flat.items) : "any"}`;
      default: return kind;
    }
  };
  return nullable && kind !== "null" ? `${name()} or null` : name();
}
