import { open } from 'node:fs/promises';

/** Resolves when what the file holds would survive a power failure. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** The same for the names in a folder: of files that were made, renamed or deleted. */
export async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    // Windows and some network file systems have no such thing; that a disk is broken must be told.
    if ((error as NodeJS.ErrnoException).code === 'EIO') throw error;
  }
}
