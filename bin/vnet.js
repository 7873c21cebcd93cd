#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';

// The young generation of the heap grows to 32 MB by itself, of which nothing here has need: a sixth of what `predict` takes.
setFlagsFromString('--max-semi-space-size=2');
setFlagsFromString('--semi-space-growth-factor=1');
await import('../build/src/cli/main.js');
