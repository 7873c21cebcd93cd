import { existsSync } from 'node:fs';
import path from 'node:path';

/** A folder of data that may not be published, under `VNET_TEST_DATA`; undefined where it is not at hand. */
export function testData(name: string): string | undefined {
  const root = process.env.VNET_TEST_DATA;
  const folder = root && path.join(root, name);
  return folder && existsSync(folder) ? folder : undefined;
}
