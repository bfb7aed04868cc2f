import { smoke } from './app';

void smoke();
