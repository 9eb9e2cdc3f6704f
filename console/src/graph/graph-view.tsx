import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { glyph } from "../parts/elements.tsx";
import { words } from "../parts/text.ts";
import type { StepStatus } from "../service/types.ts";
import { drawing, NODE_HEIGHT, NODE_WIDTH, type GraphNode } from "./layout.ts";

export interface GraphStep extends GraphNode {
  /** The second line of its node. */
  agent: string;
  status: StepStatus | undefined;
}

/** The smallest scale at which the texts of nodes can be read. */
const LEAST_SCALE = 0.62;

/** A workflow as a picture. One step of it can be reached with Tab, the others from there with the arrow keys. */
export function GraphView({ steps, label, selected, select }: {
  steps: GraphStep[];
  label: string;
  selected: string | undefined;
  select: (step: string) => void;
}) {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(800);
  const [scale, setScale] = useState<number>();
  const [reached, setReached] = useState<string>();
  const marker = useId();
  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    setWidth(element.clientWidth);
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const shape = JSON.stringify(steps.map(({ id, needs }) => [id, needs]));
  const picture = useMemo(() => drawing(steps, width), [shape, width]);
  const fitting = Math.min(1, width / picture.width);
  const factor = scale ?? Math.max(fitting, LEAST_SCALE);
  const byId = new Map(steps.map((step) => [step.id, step]));
  const current = reached ?? selected ?? steps[0]?.id;

  // A step that begins or is selected comes into view; nothing but the frame moves.
  const running = steps.find((step) => step.status === "running")?.id;
  const shownStep = selected ?? running;
  useEffect(() => {
    const element = frame.current;
    const node = picture.nodes.find((placed) => placed.id === shownStep);
    if (!element || !node) return;
    element.scrollTo({ left: node.x * factor - element.clientWidth / 2, top: node.y * factor - element.clientHeight / 2 });
  }, [shownStep, picture, factor]);

  const move = (event: KeyboardEvent, id: string): void => {
    const next = neighbour(event.key, id);
    if (next) {
      event.preventDefault();
      setReached(next);
      frame.current?.querySelector<SVGElement>(`[data-step="${CSS.escape(next)}"]`)?.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      select(id);
    }
  };

  /** The nearest node in the direction of an arrow key. */
  const neighbour = (key: string, id: string): string | undefined => {
    const directions: Record<string, [number, number]> = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    };
    const direction = directions[key];
    const from = picture.nodes.find((node) => node.id === id);
    if (!direction || !from) return undefined;
    const [dx, dy] = direction;
    const ahead = picture.nodes
      .map((node) => {
        const [x, y] = [node.x - from.x, node.y - from.y];
        return { id: node.id, far: x * dx + y * dy, aside: Math.abs(x * dy) + Math.abs(y * dx) };
      })
      .filter(({ far }) => far > 1);
    ahead.sort((a, b) => a.far + 2 * a.aside - (b.far + 2 * b.aside));
    return ahead[0]?.id;
  };

  return (
    <div class="graph">
      <div class="graph-tools" role="group" aria-label="Size of the graph">
        <button type="button" class="quiet" onClick={() => setScale(Math.max(0.2, factor / 1.3))}>Smaller</button>
        <button type="button" class="quiet" onClick={() => setScale(Math.min(2, factor * 1.3))}>Larger</button>
        <button type="button" class="quiet" onClick={() => setScale(fitting)}>Whole width</button>
      </div>
      <div class="graph-frame" ref={frame} tabIndex={0} role="group" aria-label="Graph">
        <svg role="group" aria-label={label} viewBox={`0 0 ${picture.width} ${picture.height}`}
          width={picture.width * factor} height={picture.height * factor}>
          <defs>
            <marker id={marker} viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">
              <path class="arrow" d="M0 0L8 4L0 8Z" />
            </marker>
          </defs>
          {picture.lines.map((line) => (
            <path key={`${line.from}>${line.to}`} d={line.d} markerEnd={`url(#${marker})`}
              class={`line ${line.from === selected || line.to === selected ? "near" : ""}`} />
          ))}
          {picture.nodes.map((node) => {
            const step = byId.get(node.id) as GraphStep;
            const status = step.status ?? "";
            const told = [step.id, step.agent, step.status && words(step.status)].filter(Boolean).join(", ");
            return (
              <g key={node.id} class={`node ${status}`} data-step={node.id} role="button"
                tabIndex={node.id === current ? 0 : -1} aria-pressed={node.id === selected}
                transform={`translate(${node.x - NODE_WIDTH / 2} ${node.y - NODE_HEIGHT / 2})`}
                onClick={() => { setReached(node.id); select(node.id); }}
                onFocus={() => setReached(node.id)}
                onKeyDown={(event) => move(event, node.id)}>
                <title>{told}</title>
                <rect width={NODE_WIDTH} height={NODE_HEIGHT} rx="9" />
                {step.status && <text class="glyph" aria-hidden="true" x="13" y="21">{glyph(step.status)}</text>}
                <text class="id" x={step.status ? 31 : 13} y="20">{cut(step.id, step.status ? 18 : 20)}</text>
                <text class="agent" x={step.status ? 31 : 13} y="37">{cut(step.agent, step.status ? 20 : 23)}</text>
              </g>
            );
          })}
        </svg>
      </div>
    </div>
  );
}

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
