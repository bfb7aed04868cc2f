import { type Observable } from 'rxjs';

export interface PlaceOrderRequest {
  readonly item: string;
  readonly quantity: number;
}

export interface Order extends PlaceOrderRequest {
  readonly total: number;
  readonly left: number;
  readonly fencingToken: string;
  readonly servedBy: string;
}

export interface Stock {
  readonly item: string;
  readonly left: number;
  readonly lastToken: string;
}

export interface OrderService {
  placeOrder(request: PlaceOrderRequest): Observable<Order>;
  placeOrderCarelessly(request: PlaceOrderRequest): Observable<Order>;
  getStock(request: { readonly item: string }): Observable<Stock>;
}
