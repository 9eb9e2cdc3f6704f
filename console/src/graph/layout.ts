// A layered drawing of a graph without cycles (Sugiyama, Tagawa and Toda, 1981): layers by the longest path, an order in
// each layer that has few crossings, then places. The same graph always gives the same drawing.

export interface GraphNode {
  id: string;
  needs: string[];
}

export interface Placed {
  id: string;
  /** The middle of the node. */
  x: number;
  y: number;
}

export interface Line {
  from: string;
  to: string;
  /** Path data. */
  d: string;
}

export interface Drawing {
  nodes: Placed[];
  lines: Line[];
  width: number;
  height: number;
}

export const NODE_WIDTH = 172;
export const NODE_HEIGHT = 48;
const MARGIN = 14;
const SWEEPS = 16;

type Direction = "down" | "right";

/** A place in a layer: a node, or where a line passes on its way through the layer (no id). */
interface Slot {
  id: string | undefined;
  layer: number;
  /** Across the layers: the order first, then the place. */
  at: number;
  before: Slot[];
  after: Slot[];
}

/** The drawing that fits into `width` if there is one: from left to right rather than downwards. */
export function drawing(nodes: GraphNode[], width: number): Drawing {
  const right = draw(nodes, "right");
  if (right.width <= width) return right;
  const down = draw(nodes, "down");
  return down.width <= width || down.width <= right.width ? down : right;
}

export function draw(nodes: GraphNode[], direction: Direction): Drawing {
  const { layers, slots, chains } = layered(nodes);
  order(layers);
  const isDown = direction === "down";
  const [across, along] = isDown ? [NODE_WIDTH, NODE_HEIGHT] : [NODE_HEIGHT, NODE_WIDTH];
  const size = (slot: Slot): number => (slot.id === undefined ? 10 : across);
  const gap = isDown ? 22 : 16;
  place(layers, (left, right) => (size(left) + size(right)) / 2 + gap);
  const all = layers.flat();
  const least = Math.min(...all.map((slot) => slot.at - size(slot) / 2), 0);
  const most = Math.max(...all.map((slot) => slot.at + size(slot) / 2), 0);
  const pitch = along + (isDown ? 40 : 56);
  const breadth = most - least + 2 * MARGIN;
  const length = Math.max(layers.length, 1) * pitch - (pitch - along) + 2 * MARGIN;
  const point = (slot: Slot, offset: number): [number, number] => {
    const a = round(slot.at - least + MARGIN);
    const l = round(slot.layer * pitch + MARGIN + offset);
    return isDown ? [a, l] : [l, a];
  };
  return {
    nodes: nodes.map(({ id }) => {
      const [x, y] = point(slots.get(id) as Slot, along / 2);
      return { id, x, y };
    }),
    lines: chains.map((chain) => {
      const points = chain.flatMap((slot, n) => {
        const isFirst = n === 0;
        const isLast = n === chain.length - 1;
        if (isFirst) return [point(slot, along)];
        return isLast ? [point(slot, 0)] : [point(slot, 0), point(slot, along)];
      });
      const ends = [chain[0]?.id ?? "", chain.at(-1)?.id ?? ""] as const;
      return { from: ends[0], to: ends[1], d: curve(points, isDown) };
    }),
    width: isDown ? breadth : length,
    height: isDown ? length : breadth,
  };
}

const round = (value: number): number => Math.round(value * 10) / 10;

function layered(nodes: GraphNode[]): { layers: Slot[][]; slots: Map<string, Slot>; chains: Slot[][] } {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const depths = new Map<string, number>();
  const depth = (id: string, above: string[]): number => {
    const known = depths.get(id);
    if (known !== undefined) return known;
    const needs = byId.get(id)?.needs.filter((need) => byId.has(need) && !above.includes(need)) ?? [];
    const found = needs.reduce((most, need) => Math.max(most, depth(need, [...above, id]) + 1), 0);
    depths.set(id, found);
    return found;
  };
  const layers: Slot[][] = [];
  const add = (id: string | undefined, layer: number): Slot => {
    const list = (layers[layer] ??= []);
    const slot: Slot = { id, layer, at: list.length, before: [], after: [] };
    list.push(slot);
    return slot;
  };
  const slots = new Map(nodes.map((node) => [node.id, add(node.id, depth(node.id, []))]));
  const chains: Slot[][] = [];
  for (const node of nodes) {
    const end = slots.get(node.id) as Slot;
    for (const need of new Set(node.needs)) {
      const start = slots.get(need);
      if (!start || start.layer >= end.layer) continue;
      const chain = [start];
      for (let layer = start.layer + 1; layer < end.layer; layer++) chain.push(add(undefined, layer));
      chain.push(end);
      for (let n = 1; n < chain.length; n++) {
        const [from, to] = [chain[n - 1] as Slot, chain[n] as Slot];
        from.after.push(to);
        to.before.push(from);
      }
      chains.push(chain);
    }
  }
  return { layers, slots, chains };
}

/** Orders each layer by the mean of its neighbours, downwards and upwards in turn, and keeps the order with the fewest crossings. */
function order(layers: Slot[][]): void {
  let best = layers.map((layer) => [...layer]);
  let fewest = crossings(layers);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    const isDown = sweep % 2 === 0;
    for (const layer of isDown ? layers : [...layers].reverse()) {
      const wanted = new Map(layer.map((slot) => [slot, mean(isDown ? slot.before : slot.after, slot.at)]));
      layer.sort((a, b) => (wanted.get(a) as number) - (wanted.get(b) as number) || a.at - b.at);
      layer.forEach((slot, n) => { slot.at = n; });
    }
    const count = crossings(layers);
    if (count < fewest) {
      fewest = count;
      best = layers.map((layer) => [...layer]);
    }
  }
  best.forEach((layer, n) => {
    layers[n] = layer;
    layer.forEach((slot, at) => { slot.at = at; });
  });
}

function mean(slots: Slot[], otherwise: number): number {
  return slots.length ? slots.reduce((sum, slot) => sum + slot.at, 0) / slots.length : otherwise;
}

function crossings(layers: Slot[][]): number {
  let count = 0;
  for (const layer of layers) {
    const ends = layer.flatMap((slot) => slot.after.map((after) => after.at).sort((a, b) => a - b));
    for (let i = 0; i < ends.length; i++) {
      for (let j = i + 1; j < ends.length; j++) if ((ends[i] as number) > (ends[j] as number)) count += 1;
    }
  }
  return count;
}

/** Moves the slots of each layer as near to their neighbours as their order and the distances between them allow. */
function place(layers: Slot[][], distance: (left: Slot, right: Slot) => number): void {
  for (const layer of layers) {
    layer.forEach((slot, n) => {
      const left = layer[n - 1];
      slot.at = left ? left.at + distance(left, slot) : 0;
    });
    const middle = ((layer.at(-1)?.at ?? 0) + (layer[0]?.at ?? 0)) / 2;
    for (const slot of layer) slot.at -= middle;
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const layer of sweep % 2 === 0 ? layers : [...layers].reverse()) {
      const wanted = layer.map((slot) => mean([...slot.before, ...slot.after], slot.at));
      spread(layer, wanted, distance);
    }
  }
}

/** The places nearest to `wanted` (least squares) that keep the distances: isotonic regression, by pooling adjacent violators. */
function spread(layer: Slot[], wanted: number[], distance: (left: Slot, right: Slot) => number): void {
  let offset = 0;
  const offsets = layer.map((slot, n) => {
    const left = layer[n - 1];
    return (offset += left ? distance(left, slot) : 0);
  });
  const pools: { sum: number; count: number }[] = [];
  wanted.forEach((place, n) => {
    let pool = { sum: place - (offsets[n] as number), count: 1 };
    for (let last = pools.at(-1); last && last.sum / last.count > pool.sum / pool.count; last = pools.at(-1)) {
      pools.pop();
      pool = { sum: pool.sum + last.sum, count: pool.count + last.count };
    }
    pools.push(pool);
  });
  let n = 0;
  for (const { sum, count } of pools) {
    for (const end = n + count; n < end; n++) (layer[n] as Slot).at = sum / count + (offsets[n] as number);
  }
}

/** Path data through `points`, which leaves and reaches each of them along the layers' direction. */
function curve(points: [number, number][], isDown: boolean): string {
  return points.map(([x, y], n) => {
    const previous = points[n - 1];
    if (!previous) return `M${x} ${y}`;
    const [px, py] = previous;
    if (isDown ? px === x : py === y) return `L${x} ${y}`;
    const middle = round(isDown ? (py + y) / 2 : (px + x) / 2);
    return isDown ? `C${px} ${middle} ${x} ${middle} ${x} ${y}` : `C${middle} ${py} ${middle} ${y} ${x} ${y}`;
  }).join("");
}
