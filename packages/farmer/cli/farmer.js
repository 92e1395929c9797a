#!/usr/bin/env node
// Runs the TypeScript sources in this very process, so that signals and exit codes need no relay.
import { register } from 'tsx/esm/api';

register();
await import('./main.ts');
