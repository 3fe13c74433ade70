// Command client is a client of gRPC that runs inside, as gRPC's own library makes one: at the
// address and with the key that the environment has for "acme". It prints what came of each call.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run() error {
	base, err := url.Parse(os.Getenv("ACME_BASE_URL"))
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(base.Host, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := grpc_testing.NewTestServiceClient(conn)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+os.Getenv("ACME_API_KEY"))
	for _, call := range []func(context.Context, grpc_testing.TestServiceClient) (string, error){
		unary, failing, bothWays, cancelled,
	} {
		said, err := call(ctx, client)
		if err != nil {
			return err
		}
		fmt.Println(said)
	}
	return nil
}

func payload(text string) *grpc_testing.Payload {
	return &grpc_testing.Payload{Body: []byte(text)}
}

// unary has an answer, and what comes in a trailer behind it.
func unary(ctx context.Context, c grpc_testing.TestServiceClient) (string, error) {
	var trailer metadata.MD
	question := &grpc_testing.SimpleRequest{Payload: payload("hello")}
	answer, err := c.UnaryCall(ctx, question, grpc.Trailer(&trailer))
	if err != nil {
		return "", fmt.Errorf("a call: %w", err)
	}
	body := answer.GetPayload().GetBody()
	return fmt.Sprintf("answered %s, then %s", body, trailer.Get("behind")), nil
}

// failing is refused by the service. How stands in trailers, without a body.
func failing(ctx context.Context, c grpc_testing.TestServiceClient) (string, error) {
	_, err := c.UnaryCall(ctx, &grpc_testing.SimpleRequest{})
	s := status.Convert(err)
	return fmt.Sprintf("refused: %s, %s", s.Code(), s.Message()), nil
}

// bothWays sends each message when the answer to the one before has come.
func bothWays(ctx context.Context, c grpc_testing.TestServiceClient) (string, error) {
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		return "", err
	}
	said := "both ways:"
	for i := range 3 {
		err := stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(fmt.Sprint(i))})
		if err != nil {
			return "", err
		}
		answer, err := stream.Recv()
		if err != nil {
			return "", fmt.Errorf("answer %d: %w", i, err)
		}
		said += " " + string(answer.GetPayload().GetBody())
	}
	if err := stream.CloseSend(); err != nil {
		return "", err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("the end: %w", err)
	}
	return said, nil
}

// cancelled goes away in the middle of an answer that has no end.
func cancelled(ctx context.Context, c grpc_testing.TestServiceClient) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.StreamingOutputCall(ctx, &grpc_testing.StreamingOutputCallRequest{})
	if err != nil {
		return "", err
	}
	if _, err := stream.Recv(); err != nil {
		return "", fmt.Errorf("the first of a stream: %w", err)
	}
	cancel()
	_, err = stream.Recv()
	return fmt.Sprintf("cancelled: %s", status.Code(err)), nil
}
