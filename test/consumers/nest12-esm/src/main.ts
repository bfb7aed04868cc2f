import { smoke } from './app.js';

await smoke();
