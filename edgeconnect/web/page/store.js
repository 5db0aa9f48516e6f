// The page's state in the browser's own database, so that it survives a reload. Nothing leaves the browser.

const NAME = "edgeconnect", TABLE = "pages", KEY = "last";

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function within(mode, use) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(TABLE, mode);
      const request = use(transaction.objectStore(TABLE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

export const save = (state) => within("readwrite", (table) => table.put(state, KEY));
export const load = () => within("readonly", (table) => table.get(KEY));
export const forget = () => within("readwrite", (table) => table.delete(KEY));
