// The service as all views see it.

import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Document, Operation } from "./openapi.ts";
import type { ServiceData } from "./types.ts";

export interface Service {
  data: ServiceData;
  document: Document;
  operations: Operation[];
}

export const ServiceContext = createContext<Service | null>(null);

export function useService(): Service {
  const service = useContext(ServiceContext);
  if (!service) throw new Error("a view outside of the service");
  return service;
}
