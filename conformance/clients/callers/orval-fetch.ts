/** What orval's functions call instead of `fetch`: it knows where the service is. */
export async function callService<T>(path: string, init: RequestInit): Promise<T> {
  const response = await fetch(new URL(path, process.argv[2]), init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, data: text ? JSON.parse(text) : undefined } as T;
}
